"""Files that texts were collected in."""

from pathlib import Path

from adapter.dataset.exports import is_ours, note
from adapter.dataset.ledger import Ledger


def test_is_ours_until_somebody_changes_the_file(tmp_path: Path) -> None:
    """The ledger keeps what it was when it was written."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    path = tmp_path / "m.jsonl"
    path.write_text("{}")
    assert not is_ours(path, ledger)
    note(path, ledger)
    assert is_ours(path, ledger)
    path.write_text("{} ")
    assert not is_ours(path, ledger)
    ledger.close()
