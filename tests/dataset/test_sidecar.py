"""Text files beside images."""

import os
from pathlib import Path

import pytest

from adapter.dataset import sidecar
from adapter.dataset.sidecar import Existing, Naming, WriteError, combine, exists, read


@pytest.mark.parametrize(
    ("naming", "style", "expected"),
    [
        (Naming(), "", "b/a.c.txt"),
        (Naming(), "booru", "b/a.c.booru.txt"),
        (Naming(".caption"), "", "b/a.c.caption"),
        (Naming(full_name=True), "", "b/a.c.png.txt"),
        (Naming(full_name=True), "booru", "b/a.c.png.booru.txt"),
    ],
)
def test_naming_puts_the_text_beside_its_image(naming: Naming, style: str, expected: str) -> None:
    """Under its name, or its full name."""
    assert naming.sidecar("b/a.c.png", style) == expected


@pytest.mark.parametrize(
    ("content", "there"), [(None, False), (b"", False), (b" \n\t", False), (b"a", True), (b" " * 40, True)]
)
def test_exists_when_there_is_a_text_in_it(tmp_path: Path, content: bytes | None, there: bool) -> None:
    """Nothing but a few blanks is no text."""
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    assert exists(str(path)) is there
    assert exists(str(path / "inside")) is False


def test_exists_of_what_can_not_be_is_an_error(tmp_path: Path) -> None:
    """Rather than a guess."""
    with pytest.raises(WriteError, match="File name too long"):
        exists(str(tmp_path / ("x" * 300)))
    with pytest.raises(WriteError, match="Is a directory"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("existing", "text", "how", "trigger", "expected"),
    [
        (None, "new", Existing.APPEND, "", b"new"),
        (b"old", "new", Existing.OVERWRITE, "", b"new"),
        (b"old\n", "new", Existing.APPEND, "", b"old, new"),
        (b"Old.", "new", Existing.APPEND, "", b"Old. new"),
        (b"old", "New.", Existing.PREPEND, "", b"New. old"),
        (b"sks, old", "sks, new", Existing.APPEND, "sks", b"sks, old, new"),
        (b"sks, old", "sks, new", Existing.PREPEND, "sks", b"sks, new, old"),
        (b"old", "sks, new", Existing.APPEND, "sks", b"sks, old, new"),
        (b"sks", "sks, new", Existing.APPEND, "sks", b"sks, new"),
        (b"caf\xe9", "new", Existing.APPEND, "", b"caf\xe9, new"),
    ],
)
def test_combine_keeps_what_is_there(
    existing: bytes | None, text: str, how: Existing, trigger: str, expected: bytes
) -> None:
    """With the trigger first, once."""
    assert combine(existing, text, how, trigger) == expected


def test_a_text_is_put_in_place_whole(tmp_path: Path) -> None:
    """Until then the old one is there."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    temporary = sidecar.write_temporary(str(path), b"new")
    assert path.read_text() == "old"
    assert Path(temporary).name.startswith(".joycaption-")
    assert sidecar.write_temporary(str(path), b"newer") == temporary
    sidecar.put_in_place(temporary, str(path))
    sidecar.sync_folder(str(tmp_path))
    assert path.read_text() == "newer"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Neither at the first step nor at the last."""
    with pytest.raises(WriteError, match="No such file"):
        sidecar.write_temporary(str(tmp_path / "none/a.txt"), b"new")
    (tmp_path / "a.txt").mkdir()
    temporary = sidecar.write_temporary(str(tmp_path / "a.txt"), b"new")
    with pytest.raises(WriteError, match="Is a directory") as caught:
        sidecar.put_in_place(temporary, str(tmp_path / "a.txt"))
    assert caught.value.number
    assert os.listdir(tmp_path) == ["a.txt"]
