"""Text files on the disk."""

import os
from pathlib import Path

import pytest

from adapter.dataset.texts import text_file
from adapter.dataset.texts.text_file import has_text, read
from adapter.errors import WriteError


@pytest.mark.parametrize(
    ("content", "there"), [(None, False), (b"", False), (b" \n\t", False), (b"a", True), (b" " * 40, True)]
)
def test_has_text_when_there_is_a_text_in_it(tmp_path: Path, content: bytes | None, there: bool) -> None:
    """Nothing but a few blanks is not a text."""
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    assert has_text(str(path)) is there
    assert has_text(str(path / "inside")) is False


def test_has_text_of_what_can_not_be_is_an_error(tmp_path: Path) -> None:
    """It is told, rather than guessed at."""
    with pytest.raises(WriteError, match="File name too long"):
        has_text(str(tmp_path / ("x" * 300)))
    with pytest.raises(WriteError, match="Is a directory"):
        read(str(tmp_path))


def test_a_text_is_put_in_place_whole(tmp_path: Path) -> None:
    """Until then the old one is there."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    temporary = text_file.write_temporary(str(path), b"new")
    assert path.read_text() == "old"
    assert Path(temporary).name.startswith(".joycaption-")
    assert text_file.write_temporary(str(path), b"newer") == temporary
    text_file.put_in_place(temporary, str(path))
    text_file.sync_folder(str(tmp_path))
    assert path.read_text() == "newer"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Neither a failure at the first step nor one at the last leaves a file behind."""
    with pytest.raises(WriteError, match="No such file"):
        text_file.write_temporary(str(tmp_path / "none/a.txt"), b"new")
    (tmp_path / "a.txt").mkdir()
    temporary = text_file.write_temporary(str(tmp_path / "a.txt"), b"new")
    with pytest.raises(WriteError, match="Is a directory") as caught:
        text_file.put_in_place(temporary, str(tmp_path / "a.txt"))
    assert caught.value.number
    assert os.listdir(tmp_path) == ["a.txt"]
