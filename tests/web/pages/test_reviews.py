"""Datasets that are open, and their indexes."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from adapter.dataset.review.changes import AddTags
from adapter.dataset.review.desk import Desk
from adapter.dataset.review.item_filter import ItemFilter
from adapter.errors import UnroutedRequestError
from adapter.settings import Settings
from adapter.web.pages.open_review import MAX_VIEWS, OpenReview
from adapter.web.pages.recaptioning import MAX_IMAGES
from adapter.web.pages.review_body import to_id, to_key
from adapter.web.pages.reviews import MAX_INDEXES, MAX_OPEN, Reviews
from tests.web.conftest import Service


async def read(review: OpenReview) -> dict[str, Any]:
    """Waits until nothing goes on."""
    async for state in review.watch():
        if not (state["is_refreshing"] or state["is_changing"]):
            return state
    raise AssertionError("it was closed before")


async def test_as_many_stay_open_as_may(tmp_path: Path) -> None:
    """The one that nobody has asked for longest is closed. So many indexes are kept, outside of datasets."""
    reviews = Reviews(Settings(data_dir=tmp_path / "data"))
    first = None
    for number in range(MAX_OPEN + 1):
        folder = tmp_path / f"set{number}"
        folder.mkdir()
        review = await reviews.open(str(folder), ".txt")
        await read(review)
        first = first or review
        assert not list(folder.iterdir())
    assert first is not None
    assert len([one async for one in first.watch()]) == 0
    kept = tmp_path / "data/indexes"
    for number in range(MAX_INDEXES + 5):
        path = kept / f"{number}.sqlite"
        path.touch()
        os.utime(path, (number, number))
    await reviews.open(str(tmp_path / "set0"), ".caption")
    assert len(list(kept.glob("*.sqlite"))) == MAX_INDEXES
    await reviews.close()


async def test_the_oldest_views_are_dropped(tmp_path: Path) -> None:
    """Whoever comes back to one asks anew."""
    reviews = Reviews(Settings(data_dir=tmp_path / "data"))
    review = await reviews.open(str(tmp_path), ".txt")
    views = [(await review.open_view(ItemFilter()))[0] for _ in range(MAX_VIEWS + 1)]
    assert list(review.view(views[-1])) == []
    with pytest.raises(UnroutedRequestError):
        review.view(views[0])
    await reviews.close()


async def test_a_change_goes_on_when_nobody_watches_it(tmp_path: Path) -> None:
    """As when the page is closed; a second one has to wait."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").touch()
        (folder / f"{number}.txt").write_text("a, b")
    reviews = Reviews(Settings(data_dir=tmp_path / "data"))
    review = await reviews.open(str(folder), ".txt")
    await read(review)
    view, _ = await review.open_view(ItemFilter())
    told = review.change(review.view(view), AddTags(("sks",)), None)
    await anext(told)
    await told.aclose()
    await read(review)
    assert {path.read_text() for path in folder.glob("*.txt")} == {"a, b, sks"}
    await reviews.close()


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """While it is looked at."""
    folder = tmp_path / "set"
    folder.mkdir()
    reviews = Reviews(Settings(data_dir=tmp_path / "data"))
    review = await reviews.open(str(folder), ".txt")
    await read(review)
    folder.rmdir()
    review.refresh()
    assert "can't be read" in (await read(review))["problem"]
    await reviews.close()


async def test_too_many_images_are_not_captioned_at_once(owner: Service, tmp_path: Path) -> None:
    """The limit is told."""
    _, state = await owner.post("/api/datasets", {"folder": str(tmp_path)})
    body = {"images": ["a"] * (MAX_IMAGES + 1)}
    status, answer = await owner.post(f"/api/datasets/{state['id']}/captions", body)
    assert (status, answer["error"]["field"]) == (400, "images")


def test_an_id_stands_for_its_key() -> None:
    """Whatever bytes that has."""
    for key in ("a b/c%20.png", "caf\udce9.png", "狐.png", "a?b#c&d.png"):
        assert to_key(to_id(key)) == key
        assert to_id(key).isascii()


async def test_a_desk_serves_several_threads(tmp_path: Path) -> None:
    """One after the other."""
    (tmp_path / "a.png").touch()
    desk = Desk(str(tmp_path), ".txt", tmp_path / "data/index.sqlite")
    await asyncio.gather(*(asyncio.to_thread(desk.summary) for _ in range(20)))
    desk.close()
