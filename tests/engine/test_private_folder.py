"""Folders that only this user can put something into."""

from pathlib import Path

from adapter.engine.private_folder import is_private


def test_is_private_is_a_folder_of_ours_that_nobody_else_can_write_to(tmp_path: Path) -> None:
    """A link to one isn't, because somebody else may have made it."""
    tmp_path.chmod(0o700)
    assert is_private(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert not is_private(tmp_path / "link")
    assert not is_private(tmp_path / "none")
    (tmp_path / "file").touch(mode=0o700)
    assert not is_private(tmp_path / "file")
    tmp_path.chmod(0o755)
    assert not is_private(tmp_path)
