"""What the ledgers of a dataset know: how much was captioned, and what failed."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import dataset_ledgers
from adapter.dataset.tally import Tally
from adapter.errors import InvalidRequestError


@dataclass(frozen=True)
class Overview:
    """`counts` is as in `Ledger.count`; `failures` has those that still stand."""

    counts: Counter[str]
    failures: Tally


def overview(folder: str) -> Overview:
    """Reads all ledgers of the dataset in `folder`, or one ledger.

    Raises InvalidRequestError, LedgerError.
    """
    root = os.path.abspath(folder)
    paths = dataset_ledgers(root) if os.path.isdir(root) else [Path(root)]
    if not paths or not paths[0].is_file():
        raise InvalidRequestError(f"{folder} has no ledger: nothing was captioned there")
    found = Overview(Counter(), Tally())
    for path in paths:
        with contextlib.closing(Ledger.open_read_only(path)) as ledger:
            found.counts.update(ledger.count())
            for failure in ledger.failures():
                found.failures.fail(failure)
    return found
