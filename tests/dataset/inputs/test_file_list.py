"""Files that are named one by one."""

from pathlib import Path

import pytest

from adapter.dataset.inputs.file_list import FileList, NamedFiles
from adapter.errors import InvalidRequestError
from adapter.images.sources import ImageFile


def test_read_takes_paths_as_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are relative to the working folder, or absolute, and blanks in names stay."""
    monkeypatch.chdir(tmp_path)
    items = list(FileList("-").read(["a.png\n", "\n", " b c .png\r\n", "/else/d.png"]))
    assert [item.key for item in items] == ["a.png", " b c .png", "/else/d.png"]
    assert items[2].source == ImageFile("/else/d.png")
    assert items[0].source == ImageFile(str(tmp_path / "a.png"))


def test_a_list_is_read_anew_by_each_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be counted, then; standard input can be read only once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_bytes(b"caf\xe9.png\n")
    listed = FileList("list")
    assert listed.is_countable
    assert not FileList("-").is_countable
    for _ in range(2):
        assert [item.key for item in listed.items()] == ["caf\udce9.png"]
    assert not listed.has("caf\udce9.png")
    with pytest.raises(InvalidRequestError, match="--from-file none can't be read"):
        list(FileList("none").items())


def test_named_files_have_the_folder_that_all_are_in_as_root() -> None:
    """Keys are the paths below it."""
    files = NamedFiles(["/d/b/y.png", "/d/b/c/z.png"])
    assert files.root == "/d/b"
    assert [item.key for item in files.items()] == ["y.png", "c/z.png"]
    assert files.item("y.png").source == ImageFile("/d/b/y.png")
    assert not files.has("y.png")


def test_key_of_a_path_is_that_of_the_item_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may hold any path, and files that are named are only those."""
    monkeypatch.chdir(tmp_path)
    assert FileList("list").key(str(tmp_path / "a/b.png")) == "a/b.png"
    assert FileList("list").key("/else/b.png") == "/else/b.png"
    files = NamedFiles(["/d/b/y.png", "/d/b/c/z.png"])
    assert [files.key(path) for path in ("/d/b/y.png", "/d/b/w.png", "/else")] == ["y.png", None, None]


def test_read_of_names_that_end_in_nul_says_how_a_list_is_written() -> None:
    """`find -print0` writes such a list, and no name can hold a NUL."""
    with pytest.raises(InvalidRequestError, match="holds a NUL: write one path per line"):
        list(FileList("list").read(["a.png\0b.png\0"]))
