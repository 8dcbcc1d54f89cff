"""Failures as a file."""

from pathlib import Path

import pytest

from adapter.dataset.records import Failure
from adapter.dataset.report import write_report
from adapter.errors import WriteError


def test_write_report_escapes_what_needs_it(tmp_path: Path) -> None:
    """Names may hold commas, quotes, newlines, bytes that are no text, and what a spreadsheet would run."""
    path = tmp_path / "report.csv"
    write_report(path, [Failure('a,"b\n\udcff.png', "a.txt", "write", "full", 0.0)])
    assert '"a,""b\\n\\udcff.png"' in path.read_text()
    write_report(path, [Failure("=cmd()", "\x1b[2J.txt", "write", "full", 0.0)])
    assert "'=cmd(),\\u001b[2J.txt," in path.read_text()
    with pytest.raises(WriteError):
        write_report(tmp_path / "none/report.csv", [])
