"""An image with its texts as clients see it."""

from adapter.dataset.review.lookup import ReviewedItem, ReviewedText
from adapter.web.pages.item_view import item_view


def test_a_view_tells_failures_and_what_keeps_a_text_from_being_read() -> None:
    """Names are on one line, and encodable."""
    text = ReviewedText("", "a\n.txt", 1, 2, False, None, "", False, "", (), False, None, "It is a link")
    view = item_view(
        ReviewedItem("caf\udce9.png", 255, 16, "bad_caption", "No good one", "on and on", (text,))
    )
    assert (view["id"], view["version"]) == ("caf%E9.png", "ff-10")
    assert view["name"].isascii()
    assert view["failure"] == {"code": "bad_caption", "message": "No good one", "refused": "on and on"}
    assert view["texts"][0]["path"] == "a\\n.txt"
    assert (view["texts"][0]["state"], view["texts"][0]["problem"]) == ("unreadable", "It is a link")
