"""What the faces' bodies have in common."""

from typing import Any

import pytest

from adapter.errors import InvalidRequestError
from adapter.web.wire import PromptOptions, validate


def test_a_null_counts_as_absent() -> None:
    """And what isn't known is ignored."""
    assert validate({"style": None, "unknown": 1}, PromptOptions) == PromptOptions()


@pytest.mark.parametrize(("given", "length"), [(20, "20"), ("20", "20"), (" Very Short ", "very short")])
def test_a_length_may_be_written_in_several_ways(given: Any, length: str) -> None:
    """A number, a word in any case."""
    assert validate({"caption_length": given}, PromptOptions).caption_length == length


@pytest.mark.parametrize("fields", [{"style": 1}, {"extra_options": "a"}, {"caption_length": True}])
def test_a_wrong_type_names_the_field(fields: dict[str, Any]) -> None:
    """Nothing is converted."""
    with pytest.raises(InvalidRequestError) as caught:
        validate(fields, PromptOptions)
    (name,) = fields
    assert caught.value.field == name
    assert caught.value.message.startswith(f"{name} should be ")
