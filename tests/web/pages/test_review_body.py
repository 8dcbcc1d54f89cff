"""What clients say about reviews."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapter.errors import WrongFieldError
from adapter.web.pages.review_body import ChangeBody, TextBody, filter_of, number_of, to_id, to_key
from adapter.web.wire import validate

SIGNS = some.sampled_from("ab/é漢🦊%+& \n\"'\\\udc80\udcff.?#")


@given(key=some.text(SIGNS, min_size=1))
def test_ids_stand_for_keys_of_any_bytes(key: str) -> None:
    """They are plain ASCII, whatever a name holds."""
    try:
        key.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeError:
        return
    identity = to_id(key)
    assert identity.isascii()
    assert to_key(identity).encode("utf-8", "surrogateescape") == key.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("identity", ["\ud800", "a\udcff", "漢", "%", "%zz", "%00", ""])
def test_ids_that_are_none_stand_for_no_file(identity: str) -> None:
    """They are refused, or are the key of no image."""
    try:
        to_key(identity)
    except WrongFieldError as error:
        assert error.field == "image"


@pytest.mark.parametrize(
    "fields",
    [
        {"style": "../x"},
        {"style": "a/b"},
        {"style": ".hidden"},
        {"style": "a\\b"},
        {"style": "a\0"},
        {"style": "x" * 101},
        {"style": "a\ud800"},
        {"text": "\ud800"},
        {"text": "x" * 200_001},
        {"replaces": "xyz"},
        {"replaces": "0" * 31},
        {"image": ""},
        {"image": 7},
    ],
)
def test_texts_that_cannot_be_written_are_refused(fields: dict[str, object]) -> None:
    """By the field that is wrong."""
    with pytest.raises(WrongFieldError) as caught:
        validate({"image": "a.png", "text": "a fox"} | fields, TextBody)
    assert caught.value.field == next(iter(fields))


def test_filters_and_changes_come_from_what_is_said() -> None:
    """An empty parameter says nothing, but for the style: that of the main text is empty."""
    meant = filter_of({"q": "fox", "state": "", "over": "75", "style": "", "sort": ""})
    assert (meant.query, meant.state, meant.over, meant.style) == ("fox", None, 75, "")
    assert filter_of({}).style is None
    with pytest.raises(WrongFieldError):
        filter_of({"over": "100001"})
    with pytest.raises(WrongFieldError):
        validate({"view": "x", "action": "delete_all"}, ChangeBody)


@pytest.mark.parametrize("given", ["-1", "1e3", "²", "11", "0x1", " 1", "1" * 5000])
def test_numbers_that_are_none_are_refused(given: str) -> None:
    """Or are larger than the largest."""
    with pytest.raises(WrongFieldError):
        number_of({"limit": given}, "limit", 5, 10)
    assert number_of({}, "limit", 5, 10) == 5
