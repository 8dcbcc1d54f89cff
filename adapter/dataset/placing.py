"""Puts texts into their places in turn: whoever looks at a text and then replaces it does so undisturbed."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from adapter.dataset.new_file import open_unlinked
from adapter.errors import LedgerError


@contextlib.contextmanager
def placing(ledger: Path) -> Iterator[None]:
    """Waits until nobody else puts texts into places by the ledger at that path, then keeps others waiting.

    What other programs write doesn't wait. Raises LedgerError.
    """
    try:
        held = open(open_unlinked(f"{ledger}.texts.lock"), "rb")  # noqa: SIM115 - closed below
        with contextlib.ExitStack() as unused:
            unused.enter_context(held)
            fcntl.flock(held, fcntl.LOCK_EX)
            unused.pop_all()
    except OSError as error:
        raise LedgerError(f"The ledger {ledger} can't be locked: {error.strerror}") from error
    with held:
        yield
