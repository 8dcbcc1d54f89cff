"""The language of filters."""

import pytest

from adapter.dataset.review.filter_query import MAX_CHARACTERS, MAX_TERMS, parse
from adapter.errors import WrongFieldError

WORD = "coalesce(texts.id, 0) IN (SELECT rowid FROM words WHERE words MATCH ?)"


@pytest.mark.parametrize(
    ("query", "shape", "parameters"),
    [
        ("fox", "W", ('"fox"',)),
        ("fox snow", "(W AND W)", ('"fox"', '"snow"')),
        ("fox AND snow OR cat", "((W AND W) OR W)", ('"fox"', '"snow"', '"cat"')),
        ("fox AND (snow OR cat)", "(W AND (W OR W))", ('"fox"', '"snow"', '"cat"')),
        ("NOT fox", "NOT W", ('"fox"',)),
        ("-fox red-haired", "(NOT W AND W)", ('"fox"', '"red-haired"')),
        ('"AND" or', "(W AND W)", ('"AND"', '"or"')),
        ("fo*", "W", ('"fo"*',)),
        ('"fo*"', "W", ('"fo"',)),
    ],
)
def test_parse_knows_what_binds_how(query: str, shape: str, parameters: tuple[str, ...]) -> None:
    """NOT binds most, OR least; words behind each other must all be there."""
    condition = parse(query)
    assert condition is not None
    assert condition.sql.replace(WORD, "W") == shape
    assert condition.parameters == parameters


def test_parse_takes_no_words_for_sql() -> None:
    """They are parameters, whatever they hold."""
    condition = parse("tag:x';-- name:\"'; DROP TABLE texts\" 狐狸 ...")
    assert condition is not None
    assert condition.parameters == (",x';,", "'; drop table texts", "狐狸", "...")
    assert "'" not in condition.sql.replace("''", "")
    assert "DROP" not in condition.sql


@pytest.mark.parametrize("query", ["", "   "])
def test_parse_of_nothing_is_no_condition(query: str) -> None:
    """Then all items are meant."""
    assert parse(query) is None


@pytest.mark.parametrize(
    "query",
    [
        *("(", ")", "fox)", "(fox", "fox AND", "AND fox", "NOT", "()", '"fox', "fox OR OR cat"),
        "(" * 50 + "fox" + ")" * 50,
        "NOT " * 50 + "fox",
        "a " * (MAX_TERMS + 1),
        "a" * (MAX_CHARACTERS + 1),
        "a\0b",
    ],
)
def test_parse_tells_what_is_wrong(query: str) -> None:
    """Without going as deep as somebody may ask."""
    with pytest.raises(WrongFieldError):
        parse(query)
