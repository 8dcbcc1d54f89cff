"""Names of files as a ledger keeps them."""

import pytest

from adapter.dataset.stored_name import from_stored, stored_order, to_stored


@pytest.mark.parametrize(("name", "stored"), [("a.png", "a.png"), ("é", "é"), ("caf\udce9", b"caf\xe9")])
def test_a_name_comes_back_as_it_was(name: str, stored: str | bytes) -> None:
    """A name that isn't UTF-8 is kept as its bytes."""
    assert to_stored(name) == stored
    assert from_stored(stored) == name


def test_stored_order_puts_bytes_after_text() -> None:
    """SQLite sorts so."""
    assert sorted(["b", "a\udcff", "a"], key=stored_order) == ["a", "b", "a\udcff"]
