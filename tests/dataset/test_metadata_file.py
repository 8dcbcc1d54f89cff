"""All texts in one file. What is in it is tested with the command, too."""

import json
from pathlib import Path

import pytest

from adapter.dataset.metadata_file import check_output, export
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import InvalidRequestError, WriteError


def test_an_image_with_several_styles_is_one_row(tmp_path: Path, dataset: Dataset) -> None:
    """Without those that aren't there, and images that are gone."""
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    dataset.ledger.record(
        [
            Entry("a.png.x", "a.png", "x", WRITTEN, text="ax"),
            Entry("a.png.y", "a.png", "y", WRITTEN, text="ay"),
            Entry("a.png.z", "a.png", "z", WRITTEN, text="az"),
            Entry("b.png.y", "b.png", "y", WRITTEN, text="by"),
            Entry("gone.png.x", "gone.png", "x", WRITTEN, text="no"),
        ]
    )
    path = tmp_path / "metadata.jsonl"
    assert export(path, [dataset], ["x", "y"], TextsInLedger()) == 2
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"file_name": "a.png", "text": "ax", "text_x": "ax", "text_y": "ay"},
        {"file_name": "b.png", "text_y": "by"},
    ]
    check_output(path, dataset.ledger)
    path.write_text("changed")
    with pytest.raises(InvalidRequestError, match="move it away"):
        check_output(path, dataset.ledger)


def test_an_output_that_can_not_be_written_says_so(tmp_path: Path, dataset: Dataset) -> None:
    """And leaves nothing behind."""
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(WriteError, match="Is a directory"):
        export(tmp_path / "a.jsonl", [dataset], [""], Sidecars())
    assert not list(tmp_path.glob(".*.tmp"))
