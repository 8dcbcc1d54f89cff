"""What the ledgers of a dataset know: how much was captioned, and what failed."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from adapter.dataset.history import PastRun
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import dataset_ledgers
from adapter.dataset.records import FOUND, WRITTEN
from adapter.dataset.tally import Tally
from adapter.errors import InvalidRequestError

MAX_TOTAL = 2**53


@dataclass(frozen=True)
class Overview:
    """`counts` is as in `count`; `failures` has those that still stand, `replaced` the runs
    that replaced texts, `flaws` the kinds of what is wrong with texts that were written all the same.
    """

    counts: Counter[str]
    failures: Tally
    replaced: list[PastRun]
    flaws: Counter[str]


def overview(folder: str) -> Overview:
    """Reads all ledgers of the dataset in `folder`, or one ledger.

    Raises InvalidRequestError, LedgerError.
    """
    root = os.path.abspath(folder)
    paths = dataset_ledgers(root) if os.path.isdir(root) else [Path(root)]
    if not paths or not paths[0].is_file():
        raise InvalidRequestError(f"{folder} has no ledger: nothing was captioned there")
    found = Overview(Counter(), Tally(), [], Counter())
    for path in paths:
        with contextlib.closing(Ledger.open_read_only(path)) as ledger:
            found.counts.update(count(ledger))
            found.replaced.extend(history_of(ledger))
            found.flaws.update(ledger.verdicts.kinds())
            for failure in ledger.failures():
                found.failures.fail(failure)
    return found


def count(ledger: Ledger) -> dict[str, int]:
    """Counts the texts that were written and found, their tokens, and the cut ones among them.

    Raises LedgerError.
    """
    query = """SELECT state, count(*), total(prompt_tokens), total(completion_tokens),
                      total(finish_reason = 'length') FROM captions GROUP BY state"""
    counts = {WRITTEN: 0, FOUND: 0, "prompt_tokens": 0, "completion_tokens": 0, "cut": 0}
    for state, number, *totals in ledger.rows(query, ()):
        if state in (WRITTEN, FOUND):
            counts[state] = number
            for name, total in zip(("prompt_tokens", "completion_tokens", "cut"), totals, strict=True):
                counts[name] += int(min(total, MAX_TOTAL))  # a ledger may hold an infinity
    return counts


def history_of(ledger: Ledger) -> list[PastRun]:
    """Gives the runs that replaced texts; none for a ledger from before there was a history."""
    tables = {name for (name,) in ledger.rows("SELECT name FROM sqlite_schema WHERE type = 'table'", ())}
    return ledger.history.runs() if "history" in tables else []
