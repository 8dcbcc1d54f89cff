"""Lines for people and for machines."""

import json
import logging

import pytest

from adapter.logs import JSONFormatter, log_fields

log = logging.getLogger("tests.logs")


def test_fields_stand_behind_the_message_in_text(caplog: pytest.LogCaptureFixture) -> None:
    """On one line, whatever a client put into them."""
    caplog.set_level(logging.INFO)
    log_fields(log, logging.INFO, "POST /caption", {"status": 200, "image": "a b\nforged", "id": "x"})
    assert caplog.messages == ["POST /caption status=200 image='a b\\nforged' id=x"]


def test_fields_are_members_in_json(caplog: pytest.LogCaptureFixture) -> None:
    """And an exception comes with its trace."""
    caplog.set_level(logging.INFO)
    log_fields(log, logging.INFO, "POST /caption", {"status": 200, "failures": {"x": 1}})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(JSONFormatter().format(record)) for record in caplog.records)
    assert (first["status"], first["failures"], first["level"]) == (200, {"x": 1}, "info")
    assert first["time"].endswith("Z")
    assert "ValueError: broken" in second["exception"]


def test_fields_below_the_level_cost_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written."""
    caplog.set_level(logging.WARNING)
    log_fields(log, logging.INFO, "POST /caption", {})
    assert not caplog.records
