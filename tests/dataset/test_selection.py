"""The datasets that are meant."""

from pathlib import Path

import pytest

from adapter.dataset.inputs.share import Share
from adapter.dataset.records import Failure
from adapter.dataset.selection import Selection, open_datasets
from adapter.errors import InvalidRequestError


def test_folders_have_ledgers_of_their_own_and_files_one_together(tmp_path: Path) -> None:
    """That lies in the folder that the files have in common."""
    for name in ("a/x.png", "b/y.png", "b/c/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [str(tmp_path / name) for name in ("a", "b/y.png", "b/c/z.png")]
    with open_datasets(Selection(paths)) as (folder, files):
        assert folder.ledger.path == tmp_path / "a/.joycaption/ledger.sqlite"
        assert files.ledger.path == tmp_path / "b/.joycaption/ledger.sqlite"
        assert [item.key for item in files.input.items()] == ["y.png", "c/z.png"]
        assert [item.key for item in folder.input.items()] == ["x.png"]


def test_a_share_has_its_own_ledger(tmp_path: Path) -> None:
    """Machines that divide a dataset must not meet in one."""
    with open_datasets(Selection([str(tmp_path)], share=Share(2, 3))) as (dataset,):
        assert dataset.ledger.path.name == "ledger-2-of-3.sqlite"


def test_a_ledger_elsewhere_serves_several_roots(tmp_path: Path) -> None:
    """It knows images and texts by their whole paths."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    selection = Selection([str(tmp_path / "a"), str(tmp_path / "b")], ledger=tmp_path / "l.sqlite")
    with open_datasets(selection) as datasets:
        assert datasets[0].ledger is datasets[1].ledger
        assert all(dataset.base is None for dataset in datasets)
        names = [dataset.name("x.png") for dataset in datasets]
        assert names == [str(tmp_path / "a/x.png"), str(tmp_path / "b/x.png")]
        assert [dataset.place(name) for dataset, name in zip(datasets, names, strict=True)] == names


def test_failed_images_are_each_named_once(tmp_path: Path) -> None:
    """It doesn't matter how many of their texts failed."""
    with open_datasets(Selection([str(tmp_path)])) as (dataset,):
        dataset.ledger.record((), [Failure("a.png", output, "x", "y", 0.0) for output in ("1", "2")])
        assert [item.key for item in dataset.failed_items()] == ["a.png"]


@pytest.mark.parametrize("selection", [Selection(), Selection(["/none"])])
def test_nothing_to_caption_is_an_error(selection: Selection) -> None:
    """A run over nothing would look like success."""
    with pytest.raises(InvalidRequestError), open_datasets(selection):
        pass


def test_failed_images_of_a_shared_ledger_are_named_as_in_their_own_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image's seed and prompt follow from its key, which is the same when it is tried again."""
    for name in ("a/x.png", "b/y.png", "c.png", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list").write_text("d.png\n")
    monkeypatch.chdir(tmp_path)
    selection = Selection(["a", "b", "c.png"], from_file="list", ledger=tmp_path / "l.sqlite")
    with open_datasets(selection) as datasets:
        for dataset in datasets[:3]:
            failed = [dataset.name(item.key) for item in dataset.input.items()]
            dataset.ledger.record((), [Failure(image, "o", "x", "y", 0.0) for image in failed])
        found = [[item.key for item in dataset.failed_items()] for dataset in datasets]
    assert found == [["x.png"], ["y.png"], ["c.png"], ["a/x.png", "b/y.png", "c.png"]]


def test_failed_images_of_a_share_are_those_of_the_share(tmp_path: Path) -> None:
    """The other shares' machines try theirs again."""
    names = [f"{number}.png" for number in range(20)]
    found = []
    for index in (1, 2):
        selection = Selection([str(tmp_path)], share=Share(index, 2), ledger=tmp_path / "l.sqlite")
        with open_datasets(selection) as (dataset,):
            failures = [Failure(dataset.name(name), "o", "x", "y", 0.0) for name in names]
            dataset.ledger.record((), failures)
            found += [item.key for item in dataset.failed_items()]
    assert sorted(found) == sorted(names)
