"""Folders that a run can be started in."""

import os
from pathlib import Path

import pytest

from adapter.errors import InvalidRequestError, WrongFieldError
from adapter.settings import Settings
from adapter.web.pages import folders
from adapter.web.pages.folders import view_of


def test_view_of_counts_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset may have millions of files, and somebody waits."""
    monkeypatch.setattr(folders, "MAX_COUNTED", 3)
    for number in range(3):
        (tmp_path / f"{number}.png").touch()
    assert view_of(str(tmp_path), Settings()).is_all
    (tmp_path / "more.png").touch()
    view = view_of(str(tmp_path), Settings())
    assert (view.images, view.is_all) == (3, False)


def test_view_of_lists_folders_and_follows_no_links(tmp_path: Path) -> None:
    """In the order in which people look for them."""
    for name in ("b", "A", ".hidden", "c\nd"):
        (tmp_path / name).mkdir()
    os.symlink("/etc", tmp_path / "link")
    assert view_of(str(tmp_path), Settings()).folders == ["A", "b"]


def test_view_of_what_is_no_readable_folder_is_an_error(tmp_path: Path) -> None:
    """It may be a file, or somebody else's."""
    (tmp_path / "file").touch()
    with pytest.raises(WrongFieldError):
        view_of(str(tmp_path / "file"), Settings())
    if os.getuid():
        (tmp_path / "closed").mkdir(mode=0)
        with pytest.raises(InvalidRequestError):
            view_of(str(tmp_path / "closed"), Settings())
