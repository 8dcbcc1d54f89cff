"""Text files beside images."""

from pathlib import Path

import pytest

from adapter.dataset.decide import Existing, Text
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.texts.sidecars import Sidecars, combined
from adapter.dataset.texts.text_file import content_hash
from adapter.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("sidecars", "style", "expected"),
    [
        (Sidecars(), "", "b/a.c.txt"),
        (Sidecars(), "booru", "b/a.c.booru.txt"),
        (Sidecars(extension=".caption"), "", "b/a.c.caption"),
        (Sidecars(full_name=True), "", "b/a.c.png.txt"),
        (Sidecars(full_name=True), "booru", "b/a.c.png.booru.txt"),
    ],
)
def test_name_puts_the_text_beside_its_image(sidecars: Sidecars, style: str, expected: str) -> None:
    """The text has the image's name, or its full name."""
    assert sidecars.name("b/a.c.png", style) == expected


@pytest.mark.parametrize(
    ("existing", "text", "how", "trigger", "expected"),
    [
        (None, "new", Existing.APPEND, "", b"new"),
        (b"old", "new", Existing.OVERWRITE, "", b"new"),
        (b"old\n", "new", Existing.APPEND, "", b"old, new"),
        (b"Old.", "new", Existing.APPEND, "", b"Old. new"),
        (b"old", "New.", Existing.PREPEND, "", b"New. old"),
        (b"sks, old", "sks, new", Existing.APPEND, "sks", b"sks, old, new"),
        (b"sks, old", "sks, new", Existing.PREPEND, "sks", b"sks, new, old"),
        (b"old", "sks, new", Existing.APPEND, "sks", b"sks, old, new"),
        (b"sks", "sks, new", Existing.APPEND, "sks", b"sks, new"),
        (b"caf\xe9", "new", Existing.APPEND, "", b"caf\xe9, new"),
    ],
)
def test_combined_keeps_what_is_there(
    existing: bytes | None, text: str, how: Existing, trigger: str, expected: bytes
) -> None:
    """The trigger stands first, and once."""
    assert combined(existing, text, how, trigger) == expected


ENTRY = Entry("a.txt", "a.png", "", WRITTEN)


def test_look_reads_a_text_only_where_it_may_be_replaced(tmp_path: Path) -> None:
    """Where texts are skipped it is enough that there is one."""
    place = tmp_path / "a.txt"
    assert Sidecars().look(str(place), None) is None
    place.write_bytes(b"text")
    assert Sidecars().look(str(place), None) == Text(None)
    assert Sidecars(Existing.OVERWRITE).look(str(place), None) == Text(content_hash(b"text"))
    place.write_bytes(b" " * 40)
    assert Sidecars(Existing.OVERWRITE).look(str(place), None) == Text(None)


def test_read_gives_a_text_as_people_see_it(tmp_path: Path) -> None:
    """Bytes that are no text are replaced, and blanks around it are left out."""
    place = tmp_path / "a.txt"
    assert Sidecars().read(str(place), ENTRY) is None
    place.write_bytes(b" caf\xe9 \n")
    assert Sidecars().read(str(place), ENTRY) == "caf\ufffd"


def test_a_staged_text_is_seen_once_it_is_put(tmp_path: Path) -> None:
    """Until then the old one is there, and giving it up leaves nothing behind."""
    place = tmp_path / "a.txt"
    place.write_bytes(b"old")
    sidecars = Sidecars(Existing.APPEND)
    staged = sidecars.stage(str(place), "new", "", content_hash(b"old"))
    assert staged is not None
    assert (place.read_bytes(), staged.previous_hash) == (b"old", content_hash(b"old"))
    sidecars.discard(staged)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    staged = sidecars.stage(str(place), "new", "", content_hash(b"old"))
    assert staged is not None
    sidecars.put(staged)
    assert place.read_bytes() == b"old, new"
    assert staged.hash == content_hash(b"old, new")
    assert sidecars.folders([staged]) == {str(tmp_path)}
    assert sidecars.stage(str(place), "newer", "", content_hash(b"old")) is None


@pytest.mark.parametrize("extension", [".png", ".JPG", ".new.png"])
def test_sidecars_never_take_the_images_own_places(extension: str) -> None:
    """A caption in the place of its image would be the end of it."""
    with pytest.raises(InvalidRequestError, match="images do"):
        Sidecars(extension=extension)


@pytest.mark.parametrize("overwrite_edited", [False, True])
def test_a_text_that_was_changed_since_it_was_staged_stays(tmp_path: Path, overwrite_edited: bool) -> None:
    """Even if edited texts are to be replaced: no history has what somebody wrote in that moment."""
    place = tmp_path / "a.txt"
    sidecars = Sidecars(Existing.OVERWRITE, overwrite_edited=overwrite_edited)
    staged = sidecars.stage(str(place), "ours", "", None)
    assert staged is not None
    place.write_text("somebody's own")
    assert sidecars.put(staged) is False
    assert place.read_text() == "somebody's own"
    assert list(tmp_path.iterdir()) == [place]
