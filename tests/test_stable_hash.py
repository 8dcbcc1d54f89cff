"""The hash that chance and shares are taken from."""

from adapter.stable_hash import stable_hash


def test_stable_hash_is_the_same_everywhere() -> None:
    """Shares and seeds of earlier runs depend on it."""
    assert stable_hash("a/b.png") == 9125696127675622740
    assert stable_hash("caf\udce9") != stable_hash("cafe")
