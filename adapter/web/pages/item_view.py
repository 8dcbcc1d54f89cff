"""An image with its texts as clients see it."""

from typing import Any

from adapter.caption.flaws import Kind
from adapter.dataset.records import on_one_line
from adapter.dataset.review.lookup import ReviewedItem, ReviewedText, Summary, version_of
from adapter.web.pages.review_body import to_id


def item_view(item: ReviewedItem) -> dict[str, Any]:
    """Gives an image. `version` changes with its file."""
    view: dict[str, Any] = {
        "id": to_id(item.key),
        "name": on_one_line(item.key),
        "bytes": item.size,
        "version": version_of(item.size, item.mtime_ns),
        "texts": [text_view(text) for text in item.texts],
    }
    if item.failure:
        view["failure"] = {"code": item.failure, "message": item.message, "refused": item.refused}
    return view


def text_view(text: ReviewedText) -> dict[str, Any]:
    """Gives a text. `hash` is null where there is none, `problem` says why it can't be read."""
    return {
        "style": on_one_line(text.style),
        "path": on_one_line(text.path),
        "text": text.text,
        "hash": None if text.hash is None else text.hash.hex(),
        "form": "tags" if text.is_tags else "prose",
        "state": text.state or ("unreadable" if text.problem else "none"),
        "flaws": [{"kind": kind, "weight": Kind(kind).weight} for kind in text.flaws],
        "accepted": text.is_accepted,
        "clip_tokens": text.clip_tokens,
        "problem": text.problem,
    }


def summary_view(summary: Summary) -> dict[str, Any]:
    """Gives the counts of a dataset."""
    return {
        "images": summary.images,
        "texts": summary.texts,
        "unread": summary.unread,
        "states": summary.states,
        "flaws": summary.kinds,
        "styles": {on_one_line(style): count for style, count in summary.styles.items()},
        "over_clip_tokens": {str(name): count for name, count in summary.over.items()},
    }
