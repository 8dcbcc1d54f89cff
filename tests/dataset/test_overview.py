"""What the ledgers of a dataset know."""

from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.overview import overview
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure
from adapter.errors import InvalidRequestError


def test_overview_adds_up_all_shares(tmp_path: Path) -> None:
    """A dataset that several machines divide has a ledger of each."""
    for index in (1, 2):
        ledger = Ledger.open(ledger_path(str(tmp_path), (index, 2)))
        ledger.record(
            [Entry(f"{index}.txt", f"{index}.png", "", WRITTEN, completion_tokens=5)],
            [Failure(f"bad{index}.png", "x", "image_damaged", "damaged", 0.0)],
        )
        ledger.close()
    found = overview(str(tmp_path))
    assert (found.counts[WRITTEN], found.counts[FOUND], found.counts["completion_tokens"]) == (2, 0, 10)
    assert found.failures.reasons == {"image_damaged": 2}
    assert overview(str(ledger_path(str(tmp_path), (1, 2)))).counts[WRITTEN] == 1


def test_overview_without_a_ledger_says_so(tmp_path: Path) -> None:
    """Neither a folder nor a file that isn't there has one."""
    for path in (tmp_path, tmp_path / "none.sqlite"):
        with pytest.raises(InvalidRequestError, match="has no ledger"):
            overview(str(path))
