"""From captions to the writer."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.outbox import MOST_FAILURES, NothingWritableError, Outbox
from adapter.dataset.plan import Policy
from adapter.dataset.sidecar import Naming, WriteError
from adapter.dataset.tally import Tally
from adapter.dataset.writer import Writer
from adapter.errors import CaptionError
from tests.dataset.test_writer import finished


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / ".joycaption/ledger.sqlite")
    yield ledger
    ledger.close()


async def put_all(
    ledger: Ledger, folder: Path, results: list[str | CaptionError]
) -> tuple[Tally, list[CaptionError]]:
    """What is counted, and what the outbox says about going on."""
    tally = Tally()
    broken: list[CaptionError] = []
    claims = {str(folder / f"{number}.txt"): "" for number in range(len(results))}
    outbox = Outbox(Writer(Policy(Naming()), lambda: "model"), claims, tally)
    async with outbox.writing(broken.append):
        for number, result in enumerate(results):
            await outbox.put(finished(folder, ledger, f"{number}.png", result))
    assert not claims
    return tally, broken


async def test_all_that_is_put_in_is_written_by_the_end(tmp_path: Path, ledger: Ledger) -> None:
    """And counted."""
    tally, broken = await put_all(ledger, tmp_path, ["a cat"] * 200)
    assert (tally.done, tally.completion_tokens) == (200, 1000)
    assert len(list(tmp_path.glob("*.txt"))) == 200
    assert not broken


@pytest.mark.parametrize(
    ("before", "number", "stops"),
    [([], errno.EACCES, True), (["a cat"], errno.EACCES, False), (["a cat"], errno.ENOSPC, True)],
)
async def test_when_nothing_can_be_written_any_more_it_says_so(
    tmp_path: Path, ledger: Ledger, before: list[str], number: int, stops: bool
) -> None:
    """A full disk at any time; other reasons only when nothing ever could."""
    errors = [WriteError("The text can't be written: reason", number) for _ in range(MOST_FAILURES)]
    tally, broken = await put_all(ledger, tmp_path, [*before, *errors])
    assert tally.failed == MOST_FAILURES
    assert bool(broken) is stops
    assert all(isinstance(error, NothingWritableError) for error in broken)


async def test_a_ledger_that_fails_fails_those_texts(tmp_path: Path, ledger: Ledger) -> None:
    """They are not written, and not forgotten."""
    ledger.close()
    tally, _ = await put_all(ledger, tmp_path, ["a cat"] * 3)
    assert (tally.done, tally.failed) == (0, 3)
    assert not list(tmp_path.glob("*.txt"))
