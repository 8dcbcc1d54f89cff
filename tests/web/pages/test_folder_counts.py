"""Counting the images of folders while somebody waits."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.dataset.inputs.folder import find_images
from adapter.web.pages import folder_counts
from adapter.web.pages.folder_counts import Count, FolderCounts
from tests.waiting import until


async def counted(counts: FolderCounts, *folders: Path) -> dict[str, Count]:
    """Gives all counts, by the folders' names."""
    found: dict[str, Count] = {}
    async for some in counts.of([str(folder) for folder in folders]):
        found |= {Path(path).name: count for path, count in some.items()}
    return found


async def test_images_are_counted_with_their_texts(tmp_path: Path) -> None:
    """At any depth. A folder that has gone meanwhile isn't known."""
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/1.png", "a/b/2.png", "a/b/2.txt", "a/3.txt"):
        (tmp_path / name).touch()
    found = await counted(FolderCounts(), tmp_path / "a", tmp_path / "a/b", tmp_path / "gone")
    assert found == {"a": Count(2, 1), "b": Count(1, 1), "gone": Count(is_all=False)}


async def test_counting_ends_at_a_number_and_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset may have millions of files."""
    monkeypatch.setattr(folder_counts, "MAX_IMAGES", 3)
    (tmp_path / "full").mkdir()
    (tmp_path / "over").mkdir()
    for number in range(4):
        (tmp_path / "over" / f"{number}.png").touch()
        if number < 3:
            (tmp_path / "full" / f"{number}.png").touch()
    assert await counted(FolderCounts(), tmp_path / "full", tmp_path / "over") == {
        "full": Count(3),
        "over": Count(3, is_all=False),
    }
    monkeypatch.setattr(folder_counts, "MAX_FOLDER_S", -1.0)
    assert await counted(FolderCounts(), tmp_path / "full") == {"full": Count(is_all=False)}
    monkeypatch.setattr(folder_counts, "MAX_COUNTING_S", -1.0)
    assert await counted(FolderCounts(), tmp_path / "full") == {}


async def test_disks_that_do_not_answer_hold_few_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting goes on when they do; what nobody waits for any more is left alone."""
    monkeypatch.setattr(folder_counts, "MAX_THREADS", 1)
    go_on, asked = threading.Event(), []

    def find(folder: str, *, is_enough: Callable[[], bool]) -> Iterator[str]:
        asked.append(folder)
        go_on.wait(20)
        return find_images(folder, is_enough=is_enough)

    (tmp_path / "1.png").touch()
    counts = FolderCounts(find)
    first = counts.of([str(tmp_path), str(tmp_path / "next")])
    waiting = asyncio.ensure_future(anext(first))
    await until(lambda: len(asked) == 1)
    assert await counted(counts, tmp_path) == {}
    waiting.cancel()
    await asyncio.wait([waiting])
    go_on.set()
    await until(lambda: not any(thread.name == "folders" for thread in threading.enumerate()))
    assert asked == [str(tmp_path)]
    assert await counted(counts, tmp_path) == {tmp_path.name: Count(1)}
