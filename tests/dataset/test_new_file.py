"""Files that weren't there."""

import os
from pathlib import Path

import pytest

from adapter.dataset.new_file import create_anew, open_unlinked


def test_create_anew_follows_no_link(tmp_path: Path) -> None:
    """What a dataset brought along in the file's place is removed, and what it leads to is left alone."""
    (tmp_path / "target").write_text("precious")
    (tmp_path / "new").symlink_to(tmp_path / "target")
    with create_anew(str(tmp_path / "new")) as file:
        file.write(b"ours")
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "new").is_symlink()
    assert (tmp_path / "new").read_text() == "ours"


def test_create_anew_takes_the_place_of_a_file(tmp_path: Path) -> None:
    """A killed run leaves some; a folder is none of them."""
    (tmp_path / "new").write_text("left behind")
    os.link(tmp_path / "new", tmp_path / "other")
    create_anew(str(tmp_path / "new")).close()
    assert (tmp_path / "other").read_text() == "left behind"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        create_anew(str(tmp_path / "folder"))


def test_open_unlinked_touches_nothing(tmp_path: Path) -> None:
    """It makes a file where there is none, and refuses links and pipes."""
    os.close(open_unlinked(str(tmp_path / "made")))
    (tmp_path / "kept").write_text("kept")
    os.close(open_unlinked(str(tmp_path / "kept")))
    assert (tmp_path / "kept").read_text() == "kept"
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|not a regular file"):
            open_unlinked(str(tmp_path / name))
