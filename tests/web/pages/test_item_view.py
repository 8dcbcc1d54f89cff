"""Images with their texts as clients see them."""

import orjson

from adapter.dataset.review.lookup import ReviewedItem, ReviewedText, Summary
from adapter.web.pages.item_view import item_view, summary_view
from adapter.web.pages.review_body import to_key

KEY, STYLE = "b\udce9low/\u202etac\n\x1b[2J.png", "st\udcff\n"
SAID, FLAWS = "a fox \x1b[2J", ("loop", "leak")
TEXT = ReviewedText(STYLE, f"{KEY}.txt", 1, 1, False, b"\1" * 16, SAID, True, "found", FLAWS, False, 9, "")
ITEM = ReviewedItem(KEY, 17, 256, "not_an_image", "It is none", "", (TEXT,))


def test_names_are_shown_so_that_nothing_obeys_them() -> None:
    """They are JSON whatever their bytes are, and the id still stands for the file."""
    view = orjson.loads(orjson.dumps(item_view(ITEM)))
    assert to_key(view["id"]) == KEY
    assert not {"\n", "\x1b", "\u202e"} & set(
        view["name"] + view["texts"][0]["style"] + view["texts"][0]["path"]
    )
    assert (view["bytes"], view["version"]) == (17, "11-100")
    assert view["failure"] == {"code": "not_an_image", "message": "It is none", "refused": ""}


def test_texts_are_shown_as_they_are() -> None:
    """With what is known of them; one without anything read is unreadable or none."""
    [shown] = item_view(ITEM)["texts"]
    assert (shown["text"], shown["hash"], shown["form"]) == (SAID, "01" * 16, "tags")
    assert [flaw["kind"] for flaw in shown["flaws"]] == ["loop", "leak"]
    empty = ReviewedText("", "a.txt", 1, 1, False, None, "", False, "", (), False, None, "")
    link = ReviewedText("", "a.txt", 1, 1, False, None, "", False, "", (), False, None, "It is a link")
    view = item_view(ReviewedItem("a.png", 1, 1, "", "", "", (empty, link)))
    assert [text["state"] for text in view["texts"]] == ["none", "unreadable"]
    assert "failure" not in view


def test_counts_are_json_whatever_styles_are_called() -> None:
    """A style's name may be anything."""
    view = orjson.loads(orjson.dumps(summary_view(Summary(images=2, styles={STYLE: 1, "": 2}))))
    assert (view["images"], view["styles"][""], len(view["styles"])) == (2, 2, 2)
