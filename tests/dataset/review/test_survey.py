"""Images of a folder with the texts beside them."""

import os
from pathlib import Path

import pytest

from adapter.dataset.review.sightings import SeenItem
from adapter.dataset.review.survey import Survey
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import InvalidRequestError


def make(root: Path, *names: str) -> Survey:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return Survey(str(root))


def texts(item: SeenItem | None) -> dict[str, str]:
    assert item is not None
    return {text.style: text.path for text in item.texts}


def test_items_have_the_texts_with_their_names(tmp_path: Path) -> None:
    """By the name without its ending or with it; hidden files are none."""
    survey = make(
        tmp_path,
        *("cat.png", "cat.txt", "cat.booru.txt", "cat.png.txt", "cat.png.booru.txt", ".hidden.png"),
        *("b/dog.jpg", "b/dog.jpg.txt", "b/.dog.txt", "b/dogs.txt", "b/other.caption"),
    )
    found = {item.key: texts(item) for item in survey.items()}
    assert found == {
        "cat.png": {
            "": "cat.txt",
            "booru": "cat.booru.txt",
            "png": "cat.png.txt",
            "png.booru": "cat.png.booru.txt",
        },
        "b/dog.jpg": {"": "b/dog.jpg.txt"},
    }


def test_masks_and_control_images_are_no_items_and_own_no_texts(tmp_path: Path) -> None:
    """They say something about images, and a text with such a name is one of the image's."""
    survey = make(tmp_path, "cat.png", "cat-masklabel.png", "cat.txt", "_controls/cat.png")
    assert {item.key: texts(item) for item in survey.items()} == {"cat.png": {"": "cat.txt"}}


def test_a_text_belongs_to_the_image_with_the_longest_name(tmp_path: Path) -> None:
    """Styles may hold dots; `cat.a.txt` is the text of `cat.a.png` where that is there."""
    survey = make(
        tmp_path,
        *("cat.png", "cat.jpg", "cat.a.png", "cat.txt", "cat.a.txt", "cat.a.b.txt", "cat.c.d.e.txt"),
        *("cat..txt", "none.txt"),
    )
    shared = {"": "cat.txt", "c.d.e": "cat.c.d.e.txt", ".": "cat..txt"}
    assert texts(survey.item("cat.png")) == texts(survey.item("cat.jpg")) == shared
    assert texts(survey.item("cat.a.png")) == {"": "cat.a.txt", "b": "cat.a.b.txt"}


def test_a_text_that_is_written_is_found_by_its_style(tmp_path: Path) -> None:
    """Otherwise it would be another image's, and nobody may write it."""
    make(tmp_path, "cat.png", "cat.a.png", "cat.txt", "b/cat.png")
    for key in ("cat.png", "cat.a.png", "b/cat.png"):
        for style in ("", "a", "booru", "a.b", "png", "jpg", "x y", "caf\udce9", "\n", "A"):
            name = Sidecars().name(key, style)
            place = os.path.join(tmp_path, name)
            is_its_own = Survey(str(tmp_path)).is_text_of(key, name)
            before = os.path.lexists(place)
            Path(place).touch()
            assert (name in texts(Survey(str(tmp_path)).item(key)).values()) == is_its_own, (key, style)
            if not before:
                os.unlink(place)
    assert not Survey(str(tmp_path)).is_text_of("cat.png", "cat.a.txt")
    assert not Survey(str(tmp_path)).is_text_of("cat.png", "b/cat.txt")


def test_names_that_differ_in_case_alone_are_different(tmp_path: Path) -> None:
    """And so are the endings of texts, whichever are asked for."""
    make(tmp_path, "cat.png", "CAT.PNG", "cat.txt", "CAT.TXT", "CAT.txt")
    found = {item.key: texts(item) for item in Survey(str(tmp_path)).items()}
    assert found == {"cat.png": {"": "cat.txt"}, "CAT.PNG": {"": "CAT.txt"}}
    found = {item.key: texts(item) for item in Survey(str(tmp_path), ".TXT").items()}
    assert found == {"cat.png": {}, "CAT.PNG": {"": "CAT.TXT"}}


def test_links_are_images_and_texts_stay_what_they_are(tmp_path: Path) -> None:
    """A linked image has the size of its file, a link to nothing its own, and no text is followed."""
    (tmp_path / "outside").write_bytes(b"x" * 1000)
    root = tmp_path / "data"
    root.mkdir()
    for name in ("cat.png", "cat.txt"):
        (root / name).symlink_to(tmp_path / "outside")
    (root / "broken.png").symlink_to("nothing")
    (root / "loop.png").symlink_to("loop.png")
    (root / "below").symlink_to(tmp_path)
    (root / "folder.png").mkdir()
    (root / "dog.png").touch()
    (root / "dog.txt").mkdir()
    found = {item.key: item for item in Survey(str(root)).items()}
    assert set(found) == {"cat.png", "broken.png", "loop.png", "dog.png"}
    assert found["cat.png"].size == 1000
    assert found["broken.png"].size == len("nothing")
    assert found["cat.png"].texts[0].size < 1000
    assert found["dog.png"].texts == ()


def test_what_vanishes_during_the_walk_is_left_out(tmp_path: Path) -> None:
    """Images, and whole folders; a folder that isn't there at all is an error."""
    survey = make(tmp_path, *(f"{folder}/{number}.png" for folder in "ab" for number in range(3)))
    walk = survey.items()
    first = next(walk)
    folder, other = first.key[0], "b" if first.key[0] == "a" else "a"
    for path in [*(tmp_path / other).iterdir(), *(tmp_path / folder).iterdir()]:
        path.unlink()
    (tmp_path / other).rmdir()
    assert list(walk) == []
    assert survey.item(first.key) is None
    with pytest.raises(InvalidRequestError):
        list(Survey(str(tmp_path / "none")).items())
