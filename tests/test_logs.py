"""Log lines for people and for machines."""

import json
import logging
import subprocess
import sys

import pytest

from adapter.config import PROJECT_DIR
from adapter.logs import JSONFormatter, log_fields

log = logging.getLogger("tests.logs")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", "x"),
        ("a b\nforged", "'a b\\nforged'"),
        ("", "''"),
        ("caf\u00e9", "caf\u00e9"),
        ("\u2028", "'\\u2028'"),
        (200, "200"),
        ({"x": 1}, "{'x': 1}"),
    ],
)
def test_log_fields_in_text_stand_after_the_message_on_one_line(
    caplog: pytest.LogCaptureFixture, value: object, shown: str
) -> None:
    """Whatever a client puts into a field can't pass for a line or a field of its own."""
    caplog.set_level(logging.INFO)
    log_fields(log, logging.INFO, "POST /caption", {"status": 200, "image": value})
    assert caplog.messages == [f"POST /caption status=200 image={shown}"]


def test_log_fields_in_json_are_members(caplog: pytest.LogCaptureFixture) -> None:
    """Each line is one object, and an exception comes with its stack trace."""
    caplog.set_level(logging.INFO)
    log_fields(log, logging.INFO, "POST /caption", {"status": 200, "failures": {"x": 1}})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    lines = [JSONFormatter().format(record) for record in caplog.records]
    assert not any("\n" in line for line in lines)
    first, second = map(json.loads, lines)
    assert (first["status"], first["failures"], first["level"]) == (200, {"x": 1}, "info")
    assert (first["message"], second["message"]) == ("POST /caption", "failed")
    assert first["time"].endswith("Z")
    assert "ValueError: broken" in second["exception"]


def test_log_fields_below_the_level_write_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A log that is off costs nothing."""
    caplog.set_level(logging.WARNING)
    log_fields(log, logging.INFO, "POST /caption", {})
    assert not caplog.records


@pytest.mark.parametrize(
    ("form", "expected"),
    [("text", "WARNING tests: seen image='a b'"), ("json", '"message":"seen","image":"a b"')],
)
def test_configure_writes_from_its_level_on_to_standard_error(form: str, expected: str) -> None:
    """Standard output stays free for results."""
    program = f"""
import logging
from adapter.logs import configure, log_fields
configure("warning", {form!r})
log_fields(logging.getLogger("tests"), logging.INFO, "hidden", {{}})
log_fields(logging.getLogger("tests"), logging.WARNING, "seen", {{"image": "a b"}})
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert expected in run.stderr
    assert "hidden" not in run.stderr
    assert run.stdout == ""
