"""All texts in one file. What is in it is tested with the command, too."""

import json
import os
from pathlib import Path

import pytest

from adapter.dataset.dataset_layout import DatasetLayout, Format
from adapter.dataset.inputs.file_list import FileList
from adapter.dataset.ledger import Ledger
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


CAPTION = 'a "cat" — café\nin two lines'


@pytest.mark.parametrize(
    ("chosen", "name", "content"),
    [
        (
            Format.IMAGEFOLDER,
            "metadata.jsonl",
            '{"file_name":"a.png","text":"a \\"cat\\" — café\\nin two lines"}\n'
            '{"file_name":"b/a.png","text":"="}\n',
        ),
        (
            Format.IMAGEFOLDER,
            "metadata.csv",
            'file_name,text\na.png,"a ""cat"" — café\nin two lines"\nb/a.png,=\n',
        ),
        (
            Format.KOHYA,
            "x.json",
            '{\n"DIR/a.png": {"caption": "a \\"cat\\" \\u2014 caf\\u00e9\\nin two lines"},\n'
            '"DIR/b/a.png": {"caption": "="}\n}\n',
        ),
        (
            Format.KOHYA,
            "x.jsonl",
            '{"image_path": "DIR/a.png", "caption": "a \\"cat\\" \\u2014 caf\\u00e9\\nin two lines"}\n'
            '{"image_path": "DIR/b/a.png", "caption": "="}\n',
        ),
        (
            Format.MUSUBI,
            "x.jsonl",
            '{"image_path": "DIR/a.png", "caption": "a \\"cat\\" \\u2014 caf\\u00e9\\nin two lines"}\n'
            '{"image_path": "DIR/b/a.png", "caption": "="}\n',
        ),
        (
            Format.DIFFUSION_PIPE,
            "captions.json",
            '{\n"a.png": ["a \\"cat\\" \\u2014 caf\\u00e9\\nin two lines"]\n}\n',
        ),
        (
            Format.AI_TOOLKIT,
            "x.json",
            '{\n"DIR/a.png": {"caption": "a \\"cat\\" \\u2014 caf\\u00e9\\nin two lines"},\n'
            '"DIR/b/a.png": {"caption": "="}\n}\n',
        ),
    ],
)
def test_each_reader_gets_exactly_its_file(
    tmp_path: Path, dataset: Dataset, chosen: Format, name: str, content: str
) -> None:
    """The texts are whole. diffusion-pipe's file is for one folder's images, so those below aren't in it."""
    (tmp_path / "b").mkdir()
    for image, text in (("a.png", CAPTION), ("b/a.png", "=")):
        (tmp_path / image).touch()
        dataset.ledger.record([Entry(image, image, "", WRITTEN, text=text)])
    count = export(tmp_path / name, [dataset], [""], TextsInLedger(), DatasetLayout(chosen))
    assert (tmp_path / name).read_text().replace(str(tmp_path), "DIR") == content
    assert count == (1 if chosen is Format.DIFFUSION_PIPE else 2)


@pytest.mark.parametrize(
    ("chosen", "name", "empty"),
    [
        (None, "x.jsonl", ""),
        (None, "x.csv", "file_name,text\n"),
        (Format.KOHYA, "x.json", "{}\n"),
        (Format.MUSUBI, "x.jsonl", ""),
        (Format.DIFFUSION_PIPE, "captions.json", "{}\n"),
    ],
)
def test_a_file_without_texts_is_a_whole_one(
    tmp_path: Path, dataset: Dataset, chosen: Format | None, name: str, empty: str
) -> None:
    """A run that was stopped early leaves such."""
    assert export(tmp_path / name, [dataset], [""], TextsInLedger(), DatasetLayout(chosen)) == 0
    assert (tmp_path / name).read_text() == empty


def test_names_that_are_not_utf_8_come_back_as_they_are(tmp_path: Path, dataset: Dataset) -> None:
    """Python's reader, which these trainers use, gives back what opens the file."""
    place = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Path(place).touch()
    dataset.ledger.record([Entry(os.path.basename(place), os.path.basename(place), "", WRITTEN, text="t")])
    export(tmp_path / "x.json", [dataset], [""], TextsInLedger(), DatasetLayout(Format.AI_TOOLKIT))
    (name,) = json.loads((tmp_path / "x.json").read_bytes())
    assert Path(name).is_file()
    with pytest.raises(WriteError, match=r"metadata\.jsonl is without 1 images: --format imagefolder"):
        export(
            tmp_path / "metadata.jsonl", [dataset], [""], TextsInLedger(), DatasetLayout(Format.IMAGEFOLDER)
        )
    assert (tmp_path / "metadata.jsonl").read_text() == ""


def test_images_of_a_list_that_lie_elsewhere_are_told_of(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the file is written all the same."""
    folder = tmp_path / "d"
    folder.mkdir()
    for place in ("d/a.png", "e.png"):
        (tmp_path / place).touch()
    (tmp_path / "list").write_text(f"a.png\n{tmp_path}/e.png\n")
    monkeypatch.chdir(folder)
    dataset = Dataset(FileList(str(tmp_path / "list")), ledger)
    names = [dataset.name(item.key) for item in dataset.input.items()]
    ledger.record([Entry(name, name, "", WRITTEN, text="t") for name in names])
    layout = DatasetLayout(Format.DIFFUSION_PIPE)
    with pytest.raises(WriteError, match="without 1 images"):
        export(Path("captions.json"), [dataset], [""], TextsInLedger(), layout)
    assert json.loads((folder / "captions.json").read_text()) == {"a.png": ["t"]}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_somebody_put_there_during_the_run_stays(tmp_path: Path, dataset: Dataset, kind: str) -> None:
    """That nothing was there, or ours, at the start doesn't hold at the end."""
    path = tmp_path / "metadata.jsonl"
    check_output(path, dataset.ledger)
    if kind == "file":
        path.write_text("mine")
    else:
        (tmp_path / "mine").write_text("mine")
        path.symlink_to("mine")
    with pytest.raises(WriteError, match="move it away"):
        export(path, [dataset], [""], TextsInLedger())
    assert path.read_text() == "mine"
    with pytest.raises(InvalidRequestError, match="move it away"):
        check_output(path, dataset.ledger)
    assert not list(tmp_path.glob(".*.tmp"))
