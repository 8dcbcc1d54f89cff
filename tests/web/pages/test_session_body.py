"""What is said about the page as a whole."""

import pytest

from adapter.errors import WrongFieldError
from adapter.web.pages.session_body import EngineBody
from adapter.web.wire import validate


@pytest.mark.parametrize("fields", [{}, {"action": "fly"}, {"action": "release", "force": "yes"}])
def test_an_action_is_one_that_there_is(fields: dict[str, object]) -> None:
    """And force is said, not guessed."""
    with pytest.raises(WrongFieldError):
        validate(fields, EngineBody)
    assert not validate({"action": "release"}, EngineBody).force
