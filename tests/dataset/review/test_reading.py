"""Texts that are read and judged."""

from pathlib import Path

from adapter.dataset.review.reading import Reader

TAGS = "1girl, long_hair, snow, night_sky, stars, moon"


def test_texts_are_read_and_judged(tmp_path: Path) -> None:
    """Without a ledger nobody is known to have written them."""
    (tmp_path / "prose.txt").write_text("A fox stands in snow." + " The sky is grey today." * 6)
    (tmp_path / "tags.txt").write_text(TAGS)
    (tmp_path / "blank.txt").write_text(" \n")
    prose, tags, blank = Reader(str(tmp_path), None).read(["prose.txt", "tags.txt", "blank.txt"])
    assert (prose.state, prose.flaws, prose.weight, prose.tags) == ("found", "loop", 2, "")
    assert prose.clip_tokens is not None
    assert prose.clip_tokens > 30
    assert tags.tags == ",1girl,long hair,snow,night sky,stars,moon,"
    assert (blank.hash, blank.problem, blank.size) == (None, "", 2)


def test_texts_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    """A text that is gone has no problem: it is none."""
    (tmp_path / "link.txt").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "huge.txt").write_bytes(b"x" * (2**20 + 1))
    link, huge, gone = Reader(str(tmp_path), None).read(["link.txt", "huge.txt", "gone.txt"])
    assert "link" in link.problem
    assert "more than" in huge.problem
    assert (link.text, huge.text, link.hash, huge.hash) == ("", "", None, None)
    assert (gone.size, gone.hash, gone.problem) == (-1, None, "")
