"""What goes to standard output."""

import os
import sys

import pytest

from adapter.cli.results import print_result


def test_print_result_shows_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no text are escaped."""
    print_result("caf\udce9.png")
    assert capsys.readouterr().out == "caf\\udce9.png\n"


def test_print_result_to_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`joycaption status | head` ends the reader first."""
    reading, writing = os.pipe()
    os.close(reading)
    output = open(writing, "w", encoding="utf-8")  # noqa: SIM115 - closing it fails for the same reason
    monkeypatch.setattr(sys, "stdout", output)
    print_result("text")
    with pytest.raises(BrokenPipeError):
        output.close()
