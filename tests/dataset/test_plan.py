"""Decisions about images, by what is there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.chat import SamplingParameters
from adapter.dataset.ledger import Ledger
from adapter.dataset.plan import Job, Planner, Policy, Verdict
from adapter.dataset.recipe import Recipe, WeightedPrompt
from adapter.dataset.records import FOUND, WRITTEN, Entry
from adapter.dataset.scan import FoundImage
from adapter.dataset.sidecar import Existing, Naming, content_hash

RECIPE = Recipe("", (WeightedPrompt(text="Say."),), "", SamplingParameters(0.6, 0.9, None, 256))
MODEL = "model"
OURS, EDITED, OLDER = b"ours", b"edited", b"older"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / ".joycaption/ledger.sqlite")
    yield ledger
    ledger.close()


def written(folder: Path, **changes: object) -> Entry:
    """The record of a text that we wrote for the image as it is."""
    status = (folder / "a.png").stat()
    entry = Entry("a.txt", "a.png", "", WRITTEN, status.st_size, status.st_mtime_ns)
    entry = replace(entry, details=RECIPE.details("a.png", MODEL), hash=content_hash(OURS))
    return replace(entry, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("existing", "content", "changes", "expected"),
    [
        (Existing.SKIP, None, None, "task"),
        (Existing.SKIP, OURS, None, Verdict.SKIPPED),
        (Existing.SKIP, EDITED, {}, Verdict.SKIPPED),
        (Existing.SKIP, None, {}, "task"),  # recorded, and not put in place
        (Existing.OVERWRITE, OURS, None, "task"),  # nobody knows whose it is
        (Existing.OVERWRITE, OURS, {"state": FOUND}, "task"),
        (Existing.OVERWRITE, OURS, {}, Verdict.SKIPPED),
        (Existing.OVERWRITE, OURS, {"details": "{}"}, "task"),
        (Existing.OVERWRITE, OURS, {"mtime_ns": 1}, "task"),
        (Existing.OVERWRITE, EDITED, {}, Verdict.EDITED),
        (Existing.OVERWRITE, EDITED, {"details": "{}"}, Verdict.EDITED),
        (Existing.OVERWRITE, OLDER, {"previous_hash": content_hash(OLDER)}, "task"),
        (Existing.OVERWRITE, OURS, {"previous_hash": content_hash(OURS)}, Verdict.SKIPPED),
        (Existing.APPEND, EDITED, None, "task"),
        (Existing.APPEND, OURS, {}, Verdict.SKIPPED),
        (Existing.APPEND, EDITED, {}, Verdict.SKIPPED),
        (Existing.APPEND, OLDER, {"previous_hash": content_hash(OLDER)}, "task"),
        (Existing.PREPEND, OURS, {"details": "{}"}, "task"),
    ],
)
def test_a_text_that_is_there_decides(
    tmp_path: Path,
    ledger: Ledger,
    existing: Existing,
    content: bytes | None,
    changes: dict[str, object] | None,
    expected: object,
) -> None:
    """With what the ledger knows of it."""
    (tmp_path / "a.png").touch()
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    if changes is not None:
        ledger.record([written(tmp_path, **changes)])
    planner = Planner([RECIPE], Policy(Naming(), existing))
    planner.model = MODEL
    (decided,) = planner.plan([FoundImage(str(tmp_path), "a.png")], ledger, absolute=False)
    if isinstance(decided, Job):
        assert expected == "task"
        (task,) = decided.tasks
        assert task.output == str(tmp_path / "a.txt")
        assert task.seen_hash == (content_hash(content) if content else None)
    else:
        assert decided.verdict is expected


def test_edited_texts_are_replaced_when_told(tmp_path: Path, ledger: Ledger) -> None:
    """Only then."""
    (tmp_path / "a.png").touch()
    (tmp_path / "a.txt").write_bytes(EDITED)
    ledger.record([written(tmp_path)])
    planner = Planner([RECIPE], Policy(Naming(), Existing.OVERWRITE, overwrite_edited=True))
    (decided,) = planner.plan([FoundImage(str(tmp_path), "a.png")], ledger, absolute=False)
    assert isinstance(decided, Job)


def test_a_sidecar_belongs_to_the_first_image_while_that_is_there(tmp_path: Path, ledger: Ledger) -> None:
    """Within a run, and on later ones."""
    images = [FoundImage(str(tmp_path), name) for name in ("a.png", "a.jpg")]
    for image in images:
        Path(image.path).touch()
    planner = Planner([RECIPE], Policy(Naming()))
    first, second = planner.plan(images, ledger, absolute=False)
    assert isinstance(first, Job)
    assert not isinstance(second, Job)
    assert second.verdict is Verdict.FAILED
    assert second.failure is not None
    assert second.failure.message == "a.txt is the text of a.png already: use --full-name"
    ledger.record([written(tmp_path)])
    (tmp_path / "a.txt").write_bytes(OURS)
    (again,) = Planner([RECIPE], Policy(Naming())).plan(images[1:], ledger, absolute=False)
    assert not isinstance(again, Job)
    assert again.verdict is Verdict.FAILED
    (tmp_path / "a.png").unlink()
    (heir,) = Planner([RECIPE], Policy(Naming())).plan(images[1:], ledger, absolute=False)
    assert not isinstance(heir, Job)
    assert heir.verdict is Verdict.SKIPPED


def test_an_image_that_is_found_twice_is_made_once(tmp_path: Path, ledger: Ledger) -> None:
    """As when a folder and one in it are both named."""
    (tmp_path / "a.png").touch()
    image = FoundImage(str(tmp_path), "a.png")
    first, second = Planner([RECIPE], Policy(Naming())).plan([image, image], ledger, absolute=False)
    assert isinstance(first, Job)
    assert not isinstance(second, Job)
    assert second.verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    ("existing", "text", "details", "skipped"),
    [
        (Existing.SKIP, None, None, False),
        (Existing.SKIP, "text", "{}", True),
        (Existing.OVERWRITE, "text", None, True),
        (Existing.OVERWRITE, "text", "{}", False),
    ],
)
def test_without_sidecars_the_ledger_decides(
    tmp_path: Path, ledger: Ledger, existing: Existing, text: str | None, details: str | None, skipped: bool
) -> None:
    """It holds the texts then."""
    (tmp_path / "a.png").touch()
    if text is not None:
        changes = {"output": "a.png", "text": text} | ({"details": details} if details else {})
        ledger.record([written(tmp_path, **changes)])
    policy = Policy(Naming("", full_name=True), existing, sidecars=False)
    planner = Planner([RECIPE], policy)
    planner.model = MODEL
    (decided,) = planner.plan([FoundImage(str(tmp_path), "a.png")], ledger, absolute=False)
    assert isinstance(decided, Job) is not skipped


def test_of_several_texts_only_those_that_are_missing_are_made(tmp_path: Path, ledger: Ledger) -> None:
    """The rest is skipped."""
    (tmp_path / "a.png").touch()
    (tmp_path / "a.x.txt").write_bytes(OURS)
    recipes = [replace(RECIPE, style=style) for style in ("x", "y")]
    skipped, job = Planner(recipes, Policy(Naming())).plan(
        [FoundImage(str(tmp_path), "a.png")], ledger, absolute=False
    )
    assert not isinstance(skipped, Job)
    assert isinstance(job, Job)
    assert [task.recipe.style for task in job.tasks] == ["y"]
