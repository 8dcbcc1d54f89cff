"""Which texts are being made."""

from pathlib import Path

import pytest

from adapter.dataset.claims import Claims, ignores_case


def test_image_of_gives_who_claims_a_text_until_it_is_released() -> None:
    """A later claim takes the place of an earlier one, and releasing what nobody claims is harmless."""
    claims = Claims()
    assert claims.image_of("/a.txt") is None
    claims.claim("/a.txt", "/a.png")
    assert claims.image_of("/a.txt") == "/a.png"
    claims.claim("/a.txt", "/a.jpg")
    assert claims.image_of("/a.txt") == "/a.jpg"
    claims.release("/a.txt")
    claims.release("/a.txt")
    assert claims.image_of("/a.txt") is None


def test_image_of_where_case_is_ignored_is_the_same_for_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`a.png` and `A.jpg` have one text there, which only one of them may write."""
    monkeypatch.setattr("adapter.dataset.claims.ignores_case", lambda folder: folder == "/vfat")
    claims = Claims()
    for folder, expected in (("/vfat", "/vfat/a.png"), ("/ext4", None)):
        claims.claim(f"{folder}/a.txt", f"{folder}/a.png")
        assert claims.image_of(f"{folder}/A.TXT") == expected
    claims.release("/vfat/A.txt")
    assert claims.image_of("/vfat/a.txt") is None


def test_ignores_case_asks_the_file_system(tmp_path: Path) -> None:
    """A link of the other name stands in for a file system that ignores case."""
    (tmp_path / "folder").mkdir()
    assert not ignores_case(str(tmp_path / "folder"))
    (tmp_path / "other").mkdir()
    (tmp_path / "OTHER").symlink_to(tmp_path / "other")
    assert ignores_case(str(tmp_path / "other"))
    assert not ignores_case("/")
