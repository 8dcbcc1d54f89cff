"""All texts in one file. What is in it is tested with the command, too."""

import json
from pathlib import Path

import pytest

from adapter.dataset.metadata_file import check_output, export
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.selection import Dataset, Selection, open_datasets
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import InvalidRequestError, LedgerError, WriteError


def test_an_image_with_several_styles_is_one_row(tmp_path: Path, dataset: Dataset) -> None:
    """Texts that aren't there are left out, and so are images that are gone."""
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


def test_datasets_with_one_ledger_are_in_the_file_once(tmp_path: Path) -> None:
    """With --ledger, the entries of all of them are together."""
    for name in ("a/x.png", "b/y.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    with open_datasets(Selection(folders, ledger=tmp_path / "l.sqlite")) as datasets:
        images = [dataset.name(item.key) for dataset in datasets for item in dataset.input.items()]
        datasets[0].ledger.record([Entry(image, image, "", WRITTEN, text="t") for image in images])
        assert export(tmp_path / "m.jsonl", datasets, [""], TextsInLedger()) == 2
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == ["a/x.png", "b/y.png"]


def test_a_ledger_that_can_not_be_read_leaves_the_file_as_it_is(tmp_path: Path, dataset: Dataset) -> None:
    """What was begun is taken away."""
    path = tmp_path / "m.jsonl"
    export(path, [dataset], [""], Sidecars())
    dataset.ledger.close()
    with pytest.raises(LedgerError):
        export(path, [dataset], [""], Sidecars())
    assert path.read_text() == ""
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_output_that_can_not_be_written_says_so(tmp_path: Path, dataset: Dataset) -> None:
    """Nothing of it is left behind."""
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(WriteError, match="Is a directory"):
        export(tmp_path / "a.jsonl", [dataset], [""], Sidecars())
    assert not list(tmp_path.glob(".*.tmp"))
