"""One dataset under review: edits of single texts, and what is shown of them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.dataset.review.desk import Desk
from adapter.dataset.review.index_file import remove
from adapter.dataset.review.lookup import ReviewedText
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.undo import undo
from adapter.errors import FileMissingError, LedgerError, WriteError, WrongFieldError
from tests.reviewed import Reviewed


def text_of(desk: Desk, key: str, style: str = "") -> ReviewedText:
    return next(text for text in desk.item(key).texts if text.style == style)


def test_an_edit_and_its_undo_leave_a_text_whose_it_was(reviewed: Reviewed) -> None:
    """A text by the model is edited by hand, and the model's again when that is undone."""
    reviewed.add(a="a fox")
    with reviewed.ledger() as ledger:
        ledger.record([Entry("a.txt", "a.png", "", WRITTEN, hash=content_hash(b"a fox"))])
    with reviewed.desk() as desk:
        assert text_of(desk, "a.png").state == "written"
        change = desk.write("a.png", "", "  a cat \n", content_hash(b"a fox"))
        assert (text_of(desk, "a.png").text, text_of(desk, "a.png").state) == ("a cat", "edited")
        assert desk.write("a.png", "", "", content_hash(b"a cat")) is not None
        assert desk.item("a.png").texts == ()
        with reviewed.ledger() as ledger:
            assert [past.replaced for past in desk.history()] == [1, 1]
            undo(ledger, str(reviewed.root))
            undo(ledger, str(reviewed.root), change)
        reviewed.refresh()
        assert (text_of(desk, "a.png").text, text_of(desk, "a.png").state) == ("a fox", "written")


def test_a_text_is_written_though_it_says_the_same(reviewed: Reviewed) -> None:
    """That is no conflict."""
    reviewed.add(a="a fox")
    with reviewed.desk() as desk:
        assert desk.write("a.png", "", "a fox", content_hash(b"a fox")) is not None
        assert text_of(desk, "a.png").state == "edited"


def test_a_text_that_came_meanwhile_is_shown_and_kept(reviewed: Reviewed) -> None:
    """Also where it is that of another image, too, and one that the index had never seen."""
    for name in ("a.png", "a.jpg"):
        reviewed.image(name)
    with reviewed.desk() as desk:
        (reviewed.root / "a.txt").write_text("theirs")
        assert desk.write("a.png", "", "mine", None) is None
        assert text_of(desk, "a.png").text == "theirs"
        assert desk.write("a.jpg", "", "mine", None) is None
        assert desk.write("a.jpg", "", "mine", text_of(desk, "a.jpg").hash) is not None
        assert text_of(desk, "a.png").text == text_of(desk, "a.jpg").text == "mine"
        assert desk.write("a.png", "", "", content_hash(b"mine")) is not None
        assert [text.hash for text in desk.item("a.jpg").texts] in ([], [None])


def test_a_style_makes_no_text_of_another_image(reviewed: Reviewed) -> None:
    """`cat.a.txt` is the main text of `cat.a.png`."""
    reviewed.add(cat="a cat")
    reviewed.image("cat.a.png")
    with reviewed.desk() as desk:
        with pytest.raises(WrongFieldError) as caught:
            desk.write("cat.png", "a", "mine", None)
        assert caught.value.field == "style"
        assert desk.write("cat.png", "b.c", "mine", None) is not None
        assert text_of(desk, "cat.png", "b.c").text == "mine"
    assert reviewed.contents() == {"cat.b.c.txt": "mine", "cat.txt": "a cat"}


def test_an_edit_follows_no_folder_that_became_a_link(reviewed: Reviewed, tmp_path: Path) -> None:
    """Since the index was made it may have been put in the folder's place."""
    reviewed.add(**{"below/a": "a fox"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("a fox")
    with reviewed.desk() as desk:
        (reviewed.root / "below").rename(tmp_path / "before")
        (reviewed.root / "below").symlink_to(outside)
        with pytest.raises(WriteError, match="outside"):
            desk.write("below/a.png", "", "mine", content_hash(b"a fox"))
    assert (outside / "a.txt").read_text() == "a fox"
    assert list(outside.iterdir()) == [outside / "a.txt"]


def test_of_edits_of_one_text_at_one_time_one_is_made(reviewed: Reviewed) -> None:
    """Two services, or two windows: the others are told."""
    reviewed.add(a="a fox")
    together = threading.Barrier(4)

    def write(number: int) -> int | None:
        with reviewed.desk() as desk:
            together.wait()
            return desk.write("a.png", "", f"edit {number}", content_hash(b"a fox"))

    with ThreadPoolExecutor(4) as threads:
        changes = list(threads.map(write, range(4)))
    [winner] = [number for number, change in enumerate(changes) if change is not None]
    assert reviewed.contents() == {"a.txt": f"edit {winner}"}


def test_an_edit_of_an_image_that_failed_ends_its_failure(reviewed: Reviewed) -> None:
    """It has a text now; one that has another style's stays as it is."""
    for name in ("a.png", "b.png"):
        reviewed.image(name)
    with reviewed.ledger() as ledger:
        failures = [Failure(f"{name}.png", f"{name}.txt", "not_an_image", "It is none", 1.0) for name in "ab"]
        ledger.record((), failures)
    with reviewed.desk() as desk:
        assert desk.item("a.png").failure == "not_an_image"
        desk.write("a.png", "", "mine", None)
        assert (desk.item("a.png").failure, desk.item("b.png").failure) == ("", "not_an_image")


def test_an_edit_without_a_ledger_changes_nothing(reviewed: Reviewed, tmp_path: Path) -> None:
    """A planted one is a link that leads elsewhere."""
    reviewed.add(a="a fox")
    (tmp_path / "outside").mkdir()
    ledger_path(str(reviewed.root)).parent.symlink_to(tmp_path / "outside")
    with reviewed.desk() as desk, pytest.raises(LedgerError):
        desk.write("a.png", "", "mine", content_hash(b"a fox"))
    assert reviewed.contents() == {"a.txt": "a fox"}
    assert not list((tmp_path / "outside").iterdir())


def test_a_written_text_counts_though_the_index_is_gone(reviewed: Reviewed) -> None:
    """The index is brought up to date later; the edit isn't told as failed."""
    reviewed.add(a="a fox")
    with reviewed.desk() as desk:
        remove(reviewed.path)
        reviewed.path.mkdir()
        with pytest.raises(WriteError):
            desk.write("a.png", "", "mine", content_hash(b"a fox"))
        assert reviewed.contents() == {"a.txt": "a fox"}
        reviewed.path.rmdir()
        with pytest.raises(FileMissingError):
            desk.write("a.png", "", "mine", content_hash(b"a fox"))
        reviewed.refresh()
        assert desk.write("a.png", "", "mine", content_hash(b"a fox")) is not None


def test_images_that_are_gone_are_missing(reviewed: Reviewed) -> None:
    """In a view they are left out."""
    reviewed.add(a="a fox", b="a cat")
    with reviewed.desk() as desk:
        numbers = desk.numbers(["a.png", "b.png"])
        os.unlink(reviewed.root / "a.png")
        reviewed.refresh()
        assert [item.key for item in desk.items(numbers)] == ["b.png"]
        for missing in (desk.item, desk.image):
            with pytest.raises(FileMissingError):
                missing("a.png")


def test_accepting_holds_for_what_a_text_was(reviewed: Reviewed) -> None:
    """Changed, it has to be accepted again."""
    loop = "A fox stands in snow." + " The sky is grey today." * 6
    reviewed.add(a=loop)
    with reviewed.desk() as desk:
        assert text_of(desk, "a.png").flaws == ("loop",)
        desk.accept("a.png", "", content_hash(loop.encode()))
        assert text_of(desk, "a.png").is_accepted
        assert desk.summary().states["flawed"] == 0
        (reviewed.root / "a.txt").write_text(loop + " The sky is grey today.")
        assert not text_of(desk, "a.png").is_accepted
        assert desk.summary().states["flawed"] == 1
