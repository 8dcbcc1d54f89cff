"""From captions to the writer."""

import asyncio
import contextlib
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.claims import Claims
from adapter.dataset.events import Event
from adapter.dataset.outbox import MAX_FAILURES, Outbox
from adapter.dataset.selection import Dataset
from adapter.dataset.tally import Tally
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.writer import Finished, Writer
from adapter.errors import CaptionError, NothingWritableError, WriteError
from tests.datasets import RECIPE, finished


async def put_all(batch: list[Finished]) -> tuple[Tally, list[Event], Claims]:
    """Writes the batch, and gives what was counted and told. Raises what writing raises."""
    tally, events, claims = Tally(), [], Claims()

    def emit(event: Event) -> None:
        tally.take(event)
        events.append(event)

    for one in batch:
        claims.claim(one.place, "image")
    with contextlib.closing(Writer(Sidecars())) as writer:
        outbox = Outbox(writer, claims, emit)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(outbox.write())
            for one in batch:
                await outbox.put(one.job, 0, one.result)
            await outbox.end()
    return tally, events, claims


async def test_write_has_written_all_that_was_put_in_by_its_end(tmp_path: Path, dataset: Dataset) -> None:
    """The outbox reports each text once, and releases its claim."""
    batch = [finished(dataset, f"{number}.png") for number in range(200)]
    tally, events, claims = await put_all(batch)
    assert (tally.done, tally.completion_tokens) == (200, 1000)
    assert len(events) == 200
    assert len(list(tmp_path.glob("*.txt"))) == 200
    assert not any(claims.image_of(one.place) for one in batch)


@pytest.mark.parametrize(
    ("before", "number", "stops"),
    [([], errno.EACCES, True), (["a cat"], errno.EACCES, False), (["a cat"], errno.ENOSPC, True)],
)
async def test_write_stops_when_nothing_can_be_written_any_more(
    dataset: Dataset, before: list[str], number: int, stops: bool
) -> None:
    """A full disk ends it at any time, and other reasons where nothing could ever be written."""
    errors = [WriteError("The text can't be written: reason", number) for _ in range(MAX_FAILURES)]
    results: list[str | CaptionError] = [*before, *errors]
    batch = [finished(dataset, f"{index}.png", result) for index, result in enumerate(results)]
    if not stops:
        tally, _, _ = await put_all(batch)
        assert tally.failed == MAX_FAILURES
        return
    with pytest.raises(ExceptionGroup) as caught:
        await put_all(batch)
    assert [type(error) for error in caught.value.exceptions] == [NothingWritableError]


async def test_write_with_a_ledger_that_fails_fails_those_texts(tmp_path: Path, dataset: Dataset) -> None:
    """They are neither written nor forgotten."""
    batch = [finished(dataset, f"{number}.png") for number in range(3)]
    dataset.ledger.close()
    tally, _, _ = await put_all(batch)
    assert (tally.done, tally.failed) == (0, 3)
    assert not list(tmp_path.glob("*.txt"))


async def test_write_that_fails_in_an_unexpected_way_ends_who_waits_for_it(dataset: Dataset) -> None:
    """A text that isn't UTF-8 once killed the writer unseen, and the run hung at its full queue."""
    recipe = replace(RECIPE, trigger="\udcff")
    batch = [finished(dataset, f"{number}.png", recipe=recipe) for number in range(1000)]
    with pytest.raises(ExceptionGroup) as caught:
        await put_all(batch)
    assert [type(error) for error in caught.value.exceptions] == [UnicodeEncodeError]


async def test_write_that_stops_has_told_of_the_whole_batch_first(dataset: Dataset) -> None:
    """What was written with the last failures is counted, too."""
    full = WriteError("The text can't be written: No space left on device", errno.ENOSPC)
    results: list[str | CaptionError] = ["a cat", *[full] * MAX_FAILURES]
    batch = [finished(dataset, f"{index}.png", result) for index, result in enumerate(results)]
    batch += [finished(dataset, f"late {index}.png", full) for index in range(5)]
    tally, claims = Tally(), Claims()
    with contextlib.closing(Writer(Sidecars())) as writer:
        outbox = Outbox(writer, claims, tally.take)
        for one in batch:
            claims.claim(one.place, "image")
            await outbox.put(one.job, 0, one.result)
        await outbox.end()
        with pytest.raises(
            NothingWritableError, match=r"^Nothing can be written\. The text can't be written"
        ):
            await outbox.write()
    assert (tally.done, tally.failed) == (1, MAX_FAILURES + 5)
    assert not any(claims.image_of(one.place) for one in batch)


async def test_write_of_a_batch_that_ends_well_goes_on(dataset: Dataset) -> None:
    """The failures before it were of a disk that has room again."""
    full = WriteError("The text can't be written: No space left on device", errno.ENOSPC)
    results: list[str | CaptionError] = [*[full] * MAX_FAILURES, "a cat"]
    batch = [finished(dataset, f"{index}.png", result) for index, result in enumerate(results)]
    tally, _, _ = await put_all(batch)
    assert (tally.done, tally.failed) == (1, MAX_FAILURES)
