"""What a run would do."""

from pathlib import Path

from adapter.dataset.claims import Claims
from adapter.dataset.planning import Planner
from adapter.dataset.preview import MAX_EXAMPLES, preview
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.sidecars import Sidecars
from tests.datasets import RECIPE


def test_preview_counts_all_and_shows_the_first_images(tmp_path: Path, dataset: Dataset) -> None:
    """An example has the prompt and the place of its text."""
    for number in range(MAX_EXAMPLES + 3):
        (tmp_path / f"{number}.png").touch()
    (tmp_path / "0.txt").write_text("there")
    (tmp_path / "1.jpg").touch()
    keys = [f"{number}.png" for number in range(MAX_EXAMPLES + 3)] + ["1.jpg"]
    planner = Planner([RECIPE], Sidecars(), Claims())
    found = preview(planner.plan(dataset, map(dataset.input.item, keys)))
    counts = (found.to_caption, found.skipped, found.edited, found.failed)
    assert counts == (MAX_EXAMPLES + 2, 1, 0, 1)
    assert len(found.examples) == MAX_EXAMPLES
    first = found.examples[0]
    assert (first.image, first.place) == (str(tmp_path / "1.png"), str(tmp_path / "1.txt"))
    assert first.prompt == "Say."
