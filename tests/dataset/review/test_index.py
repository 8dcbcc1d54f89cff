"""The index as it is kept."""

from adapter.dataset.records import Failure
from adapter.dataset.review.sightings import ReadText, SeenItem, SeenText
from tests.reviewed import Reviewed


def seen(key: str, *styles: str, time: int = 1) -> SeenItem:
    texts = (SeenText(style, f"{key}.{style}", 1, time) for style in styles)
    return SeenItem(key, 1, 1, tuple(texts))


def test_texts_are_to_be_read_when_they_have_changed(reviewed: Reviewed) -> None:
    """By size and time; what a whole walk doesn't see is dropped, with its words."""
    with reviewed.index() as index:
        index.take(1, [seen("a", "", "booru"), seen("b", "")])
        assert sorted(index.stale(9)) == ["a.", "a.booru", "b."]
        index.put([ReadText(path, 1, 1, b"hash", text="fox") for path in index.stale(9)])
        index.end_walk(1)
        assert index.stale(9) == []
        walk = index.next_walk()
        index.take(walk, [seen("a", ""), seen("b", "", time=2)])
        assert index.stale(9) == ["b."]
        assert len(reviewed.items("fox")["a"].texts) == 2, "the walk isn't at its end yet"
        index.end_walk(walk)
        assert len(reviewed.items("fox")["a"].texts) == 1
        walk = index.next_walk()
        index.take(walk, [seen("b")])
        index.end_walk(walk)
        assert reviewed.items("fox") == {}
        assert list(reviewed.items()) == ["b"]


def test_names_and_styles_of_any_bytes_are_kept(reviewed: Reviewed) -> None:
    """As they are on the disk."""
    key, style = "caf\udce9.png", "st\udcffyle\n"
    with reviewed.index() as index:
        index.take(1, [seen(key, style), seen(key.upper(), "x")])
        index.put([ReadText(f"{key}.{style}", 1, 1, b"hash", text="fox")])
        item = reviewed.items("fox")[key]
        assert [(text.style, text.path) for text in item.texts] == [(style, f"{key}.{style}")]
        index.see(seen(key, "other"))
        assert [text.style for text in reviewed.items()[key].texts] == ["other"]
        assert len(reviewed.items()) == 2


def test_numbers_in_names_sort_by_their_value(reviewed: Reviewed) -> None:
    """Also those with more digits than any number has."""
    names = ["img1", "img2", "img10", "img" + "9" * 30, "Über 2", "Über 11"]
    with reviewed.index() as index:
        index.take(1, [seen(name) for name in reversed(names)])
    assert list(reviewed.items()) == names


def test_failures_are_those_that_stand(reviewed: Reviewed) -> None:
    """They are replaced as a whole; an image that got a text has none any more."""
    with reviewed.index() as index:
        index.take(1, [seen("a"), seen("b"), seen("c")])
        failure = Failure("", "", "not_an_image", "It is none", 1.0)
        index.put_failures([("a", failure), ("b", failure), ("gone", failure)])
        assert [item.failure for item in reviewed.items().values()] == ["not_an_image"] * 2 + [""]
        index.end_failures(["a"])
        index.put_failures([("c", failure)])
        assert [item.failure for item in reviewed.items().values()] == ["", "", "not_an_image"]
