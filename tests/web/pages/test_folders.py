"""Folders that a run can be started in."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.dataset.inputs.folder import find_images
from adapter.errors import InvalidRequestError, WrongFieldError
from adapter.settings import Settings
from adapter.web.pages.folder_counts import FolderCounts
from adapter.web.pages.folders import counted, counted_within, view_of


async def test_a_folder_is_told_before_it_is_counted(tmp_path: Path) -> None:
    """What isn't known when time is up is unknown, and not nothing."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below/1.png").touch()
    view = view_of(str(tmp_path), Settings())
    go_on = threading.Event()

    def find(folder: str, *, is_enough: Callable[[], bool]) -> Iterator[str]:
        if not folder.endswith("below"):
            yield from find_images(folder, is_enough=is_enough)
        elif go_on.wait(20):
            yield "1.png"

    found = (await counted_within(view, FolderCounts(find), 0.5)).as_dict()
    assert (found["images"], found["folders"], found["counts"]) == (1, ["below"], {})
    go_on.set()
    async with contextlib.aclosing(counted(view_of(str(tmp_path), Settings()), FolderCounts(find))) as views:
        first, *_, last = [view.as_dict() async for view in views]
    assert (first["images"], first["captioned"], first["is_all"]) == (None, None, False)
    assert (last["images"], last["counts"]) == (1, {"below": {"images": 1, "captioned": 0, "is_all": True}})


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
