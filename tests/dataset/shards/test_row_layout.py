"""Rows of outputs, and what files say of themselves."""

from dataclasses import replace

import orjson
import pytest

from adapter.dataset.shards.row_layout import METADATA_KEY, About, Layout, about_of
from adapter.errors import BadCaptionError, NotAnImageError
from tests.datasets import RECIPE, answer_of

ABOUT = About("a.tar", {"": {}}, ("model",), 5, 6, 7, 1, "why")


def test_what_a_file_says_of_itself_is_read_back() -> None:
    """Anything else isn't ours."""
    assert about_of(ABOUT.to_metadata()) == ABOUT


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "models": 3}'),
        orjson.dumps({"version": 1, "shard": "a", "settings": 3, "models": []}),
        orjson.dumps({"version": 1, "shard": "a", "settings": {}, "models": [], "failed": "many"}),
    ],
)
def test_what_somebody_else_wrote_is_not_ours(content: bytes) -> None:
    """The file may be anybody's."""
    assert about_of({METADATA_KEY: content}) is None
    assert about_of(None) is None


def test_columns_carry_the_style_where_there_are_several() -> None:
    """Each text has all that is known of it."""
    one = Layout([RECIPE])
    two = Layout([replace(RECIPE, style="a"), replace(RECIPE, style="b")])
    assert one.schema.names[:3] == ["key", "caption", "finish_reason"]
    assert {"caption_a", "error_a", "caption_b", "error_b"} < set(two.schema.names)
    row = {"key": "x"} | two.cells(two.recipes[0], answer_of("a cat"))
    assert two.lacking(row) == [two.recipes[1]]


def test_failures_keep_their_reason_and_their_attempts() -> None:
    """With a seed the next run goes on with other ones."""
    layout = Layout([RECIPE])
    row = layout.failed_row("x", NotAnImageError("No image"))
    assert layout.error(row, RECIPE) == ("not_an_image", "No image")
    refused = layout.cells(RECIPE, BadCaptionError("loop loop", ["loop"], 3), 3)
    assert (refused["caption"], refused["flaws"], layout.attempts(refused, RECIPE)) == (None, ["loop"], 6)
