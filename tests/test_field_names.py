"""What a face's users know a field by."""

import pytest

from adapter.errors import UnknownStyleError, WrongFieldError
from adapter.field_names import fields_named


def test_fields_named_when_a_field_has_another_name_renames_it_in_the_message_too() -> None:
    """Each face's users read the name that they know, and other fields keep theirs."""
    with pytest.raises(WrongFieldError) as caught, fields_named({"length": "--length"}):
        raise WrongFieldError("length", "must be short")
    assert str(caught.value) == "--length must be short"
    assert caught.value.field == "--length"
    with pytest.raises(UnknownStyleError) as unknown, fields_named({"length": "--length"}):
        raise UnknownStyleError("Unknown prompt style: x", "style")
    assert str(unknown.value) == "Unknown prompt style: x"
    assert unknown.value.field == "style"
