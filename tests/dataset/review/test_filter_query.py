"""The language in which people say which texts they mean."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from adapter.dataset.review.filter_query import MAX_CHARACTERS, MAX_DEPTH, MAX_TERMS, parse
from adapter.errors import WrongFieldError
from tests.reviewed import Reviewed

WORD = "coalesce(texts.id, 0) IN (SELECT rowid FROM words WHERE words MATCH ?)"
WORDS = ("fox", "snow", "cat")
SIGNS = "abé漢 \"()*-:'_%\\,;AND OR NOTtag:name:½🦊\u0301\ud800\n\0^{}+~."
TEXTS = {
    "_".join(words) or "none": " ".join(words)
    for words in ([word for word, there in zip(WORDS, each, strict=True) if there] for each in
    product((False, True), repeat=3))
}  # fmt: skip


@pytest.fixture(scope="module")
def all_texts(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """Gives a folder with a text for each set of the words, and none for the empty one."""
    folder = tmp_path_factory.mktemp("query")
    reviewed = Reviewed(folder / "data", folder / "index.sqlite")
    reviewed.root.mkdir()
    reviewed.add(**TEXTS)
    reviewed.refresh()
    return reviewed


conditions = some.recursive(
    some.sampled_from(WORDS).map(lambda word: (word, {name for name, text in TEXTS.items() if word in text})),
    lambda inner: some.one_of(
        some.tuples(inner, some.sampled_from(["NOT ", "-"])).map(
            lambda one: (f"{one[1]}({one[0][0]})", set(TEXTS) - one[0][1])
        ),
        some.tuples(inner, inner, some.sampled_from([" AND ", " "])).map(
            lambda two: (f"({two[0][0]}){two[2]}({two[1][0]})", two[0][1] & two[1][1])
        ),
        some.tuples(inner, inner).map(lambda two: (f"({two[0][0]} OR {two[1][0]})", two[0][1] | two[1][1])),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(condition=conditions)
def test_queries_find_what_they_say(all_texts: Reviewed, condition: tuple[str, set[str]]) -> None:
    """However AND, OR, NOT and parentheses are put together; images without a text count too."""
    query, expected = condition
    assert set(all_texts.items(query)) == {f"{name}.png" for name in expected}, query


@settings(deadline=None, max_examples=500)
@given(query=some.text(some.sampled_from(SIGNS), max_size=40))
def test_any_query_is_answered_or_refused(all_texts: Reviewed, query: str) -> None:
    """Never with an error of the index: nothing in it is its language."""
    try:
        all_texts.items(query)
    except WrongFieldError as error:
        assert error.field == "q"


@pytest.mark.parametrize(
    ("text", "query", "is_found"),
    [
        ("A café by the sea", "cafe", True),
        ("ÉCOLE 漢字 station", "école", True),
        ("ÉCOLE 漢字 station", "字", True),
        ("ÉCOLE漢字", "ÉCOLE漢", True),
        ("A fox! 🦊", "🦊", True),
        ("long_hair, red eyes", "hair", True),
        ("long_hair, red eyes", "long_hair", True),
        ("long_hair, red eyes", '"hair red"', True),
        ("long_hair, red eyes", '"red hair"', False),
        ("long_hair, red eyes", "_", True),
        ("no line", "_", False),
        ("100% cotton", "%", True),
        ("cotton", "%", False),
        ("long_hair, red eyes, a, b, c, d", "tag:Long_Hair", True),
        ("long_hair, red eyes, a, b, c, d", 'tag:"red eyes"', True),
        ("long_hair, red eyes, a, b, c, d", "tag:red", False),
        ("A dog", "and", False),
        ("cats and dogs", "and", True),
        ("cats and dogs", '"AND"', True),
        ("It's a fox", "it's", True),
        ("foxes", "fox*", True),
        ("foxes", "fox", False),
        ("foxes", '"fox*"', False),
    ],
)
def test_terms_are_found(reviewed: Reviewed, text: str, query: str, is_found: bool) -> None:
    """In any script and case, words whole and signs anywhere."""
    reviewed.add(one=text)
    reviewed.refresh()
    assert bool(reviewed.items(query)) == is_found


def test_queries_have_limits() -> None:
    """Each is told."""
    assert parse("") is None
    assert parse(" ( " * MAX_DEPTH + "fox" + " ) " * MAX_DEPTH) is not None
    for query, reason in (
        ("x" * (MAX_CHARACTERS + 1), "at most"),
        ("x " * (MAX_TERMS + 1), "more than"),
        ("(" * (MAX_DEPTH + 2) + "x" + ")" * (MAX_DEPTH + 2), "deep"),
        ("NOT " * (MAX_DEPTH + 2) + "x", "deep"),
        ("a\0b", "line"),
    ):
        with pytest.raises(WrongFieldError, match=reason):
            parse(query)


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
