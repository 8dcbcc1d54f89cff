"""Putting texts into places in turn."""

import threading
from pathlib import Path

import pytest

from adapter.dataset.placing import placing
from adapter.errors import LedgerError

LIMIT_S = 20


def test_placing_waits_for_whoever_is_at_it(tmp_path: Path) -> None:
    """By another ledger nobody waits."""
    entered = threading.Event()

    def enter() -> None:
        with placing(tmp_path / "ledger.sqlite"):
            entered.set()

    waiting = threading.Thread(target=enter)
    with placing(tmp_path / "ledger.sqlite"):
        waiting.start()
        with placing(tmp_path / "other.sqlite"):
            assert not entered.wait(0.2)
    waiting.join(LIMIT_S)
    assert entered.is_set()


def test_placing_follows_no_link_and_says_why(tmp_path: Path) -> None:
    """The folder may have come with a dataset."""
    (tmp_path / "ledger.sqlite.texts.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match="can't be locked"), placing(tmp_path / "ledger.sqlite"):
        pass
    with pytest.raises(LedgerError), placing(tmp_path / "none/ledger.sqlite"):
        pass
    assert not (tmp_path / "elsewhere").exists()
