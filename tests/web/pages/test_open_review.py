"""A dataset that somebody looks at."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapter.dataset.review.changes import AddTags, Replace
from adapter.dataset.review.desk import Desk
from adapter.dataset.review.index_file import remove
from adapter.dataset.review.item_filter import ItemFilter
from adapter.errors import (
    InvalidRequestError,
    OutOfResourcesError,
    StoppingError,
    UnroutedRequestError,
    WrongFieldError,
)
from adapter.web.pages import open_review
from adapter.web.pages.open_review import CHANGE_CHUNK, MAX_VIEWS, OpenReview
from adapter.web.pages.workers import Workers
from tests.reviewed import Reviewed
from tests.waiting import until

COUNT = 3 * CHANGE_CHUNK
LIMIT_S = 60


@pytest.fixture
def reviewed(tmp_path: Path) -> Reviewed:
    """Gives a folder with many texts."""
    (tmp_path / "data").mkdir()
    reviewed = Reviewed(tmp_path / "data", tmp_path / "indexes/one.sqlite")
    reviewed.add(**{f"t{number}": "a fox" for number in range(COUNT)})
    reviewed.refresh()
    return reviewed


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
async def review(reviewed: Reviewed, workers: Workers) -> AsyncIterator[OpenReview]:
    review = OpenReview("1", Desk(str(reviewed.root), ".txt", reviewed.path), workers)
    yield review
    await review.close()


async def begin_change(review: OpenReview) -> None:
    """Begins a change of all texts, of which nobody takes what it tells."""
    view, _ = await review.open_view(ItemFilter())
    told = review.change(review.view(view), AddTags(("sks",)), None)
    assert (await anext(told))["of"] == COUNT
    await told.aclose()


async def until_idle(review: OpenReview) -> None:
    await until(lambda: not review.is_changing, LIMIT_S)


def changed(reviewed: Reviewed) -> int:
    return list(reviewed.contents().values()).count("a fox, sks")


async def test_a_change_goes_on_when_its_client_is_gone(review: OpenReview, reviewed: Reviewed) -> None:
    """Meanwhile nobody begins another one, nor undoes it; afterwards it can be undone whole."""
    await begin_change(review)
    view, _ = await review.open_view(ItemFilter())
    with pytest.raises(InvalidRequestError, match="under way"):
        await anext(review.change(review.view(view), AddTags(("x",)), None))
    with pytest.raises(InvalidRequestError, match="under way"):
        await review.undo(1, force=False)
    assert (await review.state())["is_changing"]
    await until_idle(review)
    assert changed(reviewed) == COUNT
    [past] = review.desk.history()
    assert (await review.undo(past.number, force=False)).restored == COUNT
    assert set(reviewed.contents().values()) == {"a fox"}


async def test_a_change_whose_process_is_killed_says_so(
    review: OpenReview, reviewed: Reviewed, workers: Workers
) -> None:
    """Also to those who look at the dataset; what was changed can be undone."""
    processes = await asyncio.gather(*(workers.run(os.getpid) for _ in range(4)))
    await begin_change(review)
    for process in set(processes):
        os.kill(process, signal.SIGKILL)
    await until_idle(review)
    assert "killed" in (await review.state())["problem"]
    assert changed(reviewed) < COUNT
    for past in review.desk.history():
        await review.undo(past.number, force=False)
    assert set(reviewed.contents().values()) == {"a fox"}
    assert OutOfResourcesError.status == 503


async def test_closing_amid_a_change_leaves_each_text_whole(
    review: OpenReview, reviewed: Reviewed, workers: Workers
) -> None:
    """It ends at once, whoever waits for the change is told, and undo puts all back."""
    view, _ = await review.open_view(ItemFilter())
    told = review.change(review.view(view), AddTags(("sks",)), None)
    await anext(told)
    watching = review.watch()
    await anext(watching)
    review.refresh()
    async with asyncio.timeout(LIMIT_S):
        workers.close()
        await review.close()
        with pytest.raises(StoppingError):
            async for _ in told:
                pass
        assert [state async for state in watching] == []
    assert set(reviewed.contents().values()) <= {"a fox", "a fox, sks"}
    with reviewed.desk() as desk:
        pasts = desk.history()
    other = Workers()
    with_others = OpenReview("1", Desk(str(reviewed.root), ".txt", reviewed.path), other)
    for past in pasts:
        assert (await with_others.undo(past.number, force=False)).failed == 0
    other.close()
    await with_others.close()
    assert set(reviewed.contents().values()) == {"a fox"}


async def test_a_change_that_is_none_begins_nothing(review: OpenReview) -> None:
    """And the next one isn't held up by it."""
    view, _ = await review.open_view(ItemFilter())
    with pytest.raises(WrongFieldError):
        await anext(review.change(review.view(view), Replace("(", is_expression=True), None))
    assert not review.is_changing


async def test_hundreds_of_views_take_bounded_memory(
    review: OpenReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are dropped, by their number and by what they hold; one that is used stays."""
    views = [(await review.open_view(ItemFilter("fox")))[0] for _ in range(MAX_VIEWS)]
    review.view(views[0])
    await review.open_view(ItemFilter())
    assert len(review.view(views[0])) == COUNT
    with pytest.raises(UnroutedRequestError):
        review.view(views[1])
    monkeypatch.setattr(open_review, "MAX_VIEWED", 2 * COUNT)
    for _ in range(300):
        last, _ = await review.open_view(ItemFilter())
    kept = [view for view in [*views, last] if view in review._views]
    assert kept == [last]
    assert len(review._views) == 2
    monkeypatch.setattr(open_review, "MAX_VIEWED", 1)
    last, count = await review.open_view(ItemFilter())
    assert len(review.view(last)) == count == COUNT


async def test_few_items_of_long_texts_come_at_once(
    review: OpenReview, reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer has bounded size, and says how far it came."""
    monkeypatch.setattr(open_review, "MAX_SHOWN", 1000)
    for number in range(COUNT):
        (reviewed.root / f"t{number}.txt").write_text("a fox " * 100)
    view, _ = await review.open_view(ItemFilter())
    shown, count = await review.items(review.view(view)[:200])
    assert len(shown) == count == open_review.SHOWN_CHUNK


async def test_a_state_that_says_that_all_is_done_has_all(review: OpenReview, reviewed: Reviewed) -> None:
    """Not what was there before the last texts were read."""
    reviewed.add(another="a cat")
    with review.desk._using():
        review.refresh()
        asking = asyncio.create_task(review.state())
        await until(lambda: review._refreshing is not None and review._refreshing.done(), LIMIT_S)
    assert (await asking)["is_refreshing"]
    async for state in review.watch():
        if not state["is_refreshing"]:
            break
    assert state["images"] == COUNT + 1


async def test_an_index_that_is_removed_is_filled_again(review: OpenReview, reviewed: Reviewed) -> None:
    """Nobody has to open the dataset anew."""
    remove(reviewed.path)
    states = review.watch()
    async with asyncio.timeout(LIMIT_S):
        async for state in states:
            if state["images"] == COUNT and not state["is_refreshing"]:
                break
    await states.aclose()


async def test_a_refresh_that_fails_says_why(review: OpenReview, reviewed: Reviewed) -> None:
    """The folder may be gone; what was known of it stays."""
    reviewed.root.rename(reviewed.root.with_name("elsewhere"))
    review.refresh()
    async with asyncio.timeout(LIMIT_S):
        async for state in review.watch():
            if not state["is_refreshing"]:
                break
    assert "can't be read" in state["problem"]
    assert state["images"] == COUNT
