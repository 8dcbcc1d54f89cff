"""What the errors of `/api` look like."""

from adapter.errors import WrongFieldError
from adapter.web.pages.event_answer import error_body


def test_error_body_has_code_message_and_field() -> None:
    """The page shows the message, and scripts look at the code."""
    assert error_body(WrongFieldError("folder", "is not there")) == {
        "error": {"code": "invalid_request", "message": "folder is not there", "field": "folder"}
    }
