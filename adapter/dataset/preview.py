"""What a run would do, without an engine and without writing anything."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from adapter.dataset.events import TextEdited, TextSkipped
from adapter.dataset.planning import Planned
from adapter.dataset.work import Settled

MAX_EXAMPLES = 3  # images that are shown with what would be asked about them


@dataclass(frozen=True)
class Example:
    """A text that would be made, for the image at `image`; `place` is absolute."""

    image: str
    place: str
    prompt: str


@dataclass
class Preview:
    """Counts of texts, and examples of those that would be made."""

    to_caption: int = 0
    skipped: int = 0
    edited: int = 0
    failed: int = 0
    examples: list[Example] = field(default_factory=list)


def preview(planned: Iterable[Planned]) -> Preview:
    """Counts what is planned."""
    found = Preview()
    images = 0
    for one in planned:
        if isinstance(one, Settled):
            match one.event:
                case TextSkipped():
                    found.skipped += 1
                case TextEdited():
                    found.edited += 1
                case _:
                    found.failed += 1
            continue
        found.to_caption += len(one.tasks)
        if images < MAX_EXAMPLES:
            images += 1
            image = one.dataset.place(one.name)
            found.examples += [
                Example(image, one.dataset.place(task.output), task.recipe.prompt(one.item.key))
                for task in one.tasks
            ]
    return found
