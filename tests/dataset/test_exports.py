"""Files that texts were collected in."""

from pathlib import Path

from adapter.dataset.exports import announce, is_ours, note
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


def test_is_ours_also_when_a_kill_came_in_between(tmp_path: Path) -> None:
    """It is announced before it takes its place: until then the former one is ours, and then it is."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    path, temporary = tmp_path / "m.jsonl", tmp_path / "new"
    path.write_text("{}")
    note(path, ledger)
    for content in ("{} ", "{}  "):
        temporary.write_text(content)
        announce(path, temporary, ledger)
        assert is_ours(path, ledger)
    temporary.replace(path)
    assert is_ours(path, ledger)
    path.write_text("mine, and longer")
    assert not is_ours(path, ledger)
    ledger.close()


def test_a_link_is_never_ours(tmp_path: Path) -> None:
    """It may lead to a file of ours, and was put there by somebody."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    path = tmp_path / "m.jsonl"
    path.write_text("{}")
    note(path, ledger)
    path.rename(tmp_path / "moved")
    path.symlink_to("moved")
    assert not is_ours(path, ledger)
    ledger.close()
