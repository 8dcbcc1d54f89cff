"""What people see."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from adapter.dataset.display import Display, progress_line, summary, write_report
from adapter.dataset.records import Failure
from adapter.dataset.sidecar import WriteError
from adapter.dataset.tally import MOST_EXAMPLES, Tally


def tally(**counts: int) -> Tally:
    made = Tally(**counts)  # type: ignore[arg-type]
    made.started -= 10
    return made


def test_progress_line_tells_counts_rate_and_what_is_left() -> None:
    """As far as they are known."""
    assert progress_line(tally(skipped=3)) == "0 done, 0 failed, 3 skipped"
    line = progress_line(tally(done=20, failed=1, skipped=9, total=130))
    assert line == "20 done, 1 failed, 9 skipped of 130, 2.0 images/s, 0:00:50 left"


def test_the_rate_leaves_out_the_time_without_an_engine() -> None:
    """It says how fast it goes when it goes."""
    assert 3.9 < tally(done=20, resting_s=5).rate < 4.1


def test_summary_has_reasons_with_examples() -> None:
    """A few of each, and where all are."""
    counted = tally(done=2, completion_tokens=20, prompt_tokens=200, cut=1, edited=1)
    for number in range(9):
        counted.fail(f"{number}.png", "damaged", "image_damaged")
    text = summary(counted, None)
    assert "2 captioned, 0 skipped, 9 failed in 0:00:10" in text
    assert "20 tokens written (10 a caption), 200 read" in text
    assert "failed, image_damaged: 9" in text
    assert text.count(".png: damaged") == MOST_EXAMPLES
    assert "--overwrite-edited" in text
    assert "cut at --max-tokens" in text
    assert "r.csv" in summary(counted, Path("r.csv"))


def test_write_report_escapes_what_needs_it(tmp_path: Path) -> None:
    """Commas, quotes, newlines and bytes that are no text."""
    path = tmp_path / "report.csv"
    write_report(path, [Failure('a,"b\n\udcff.png', "a.txt", "write", "full", 0.0)])
    assert '"a,""b\n\\udcff.png"' in path.read_text()
    with pytest.raises(WriteError):
        write_report(tmp_path / "none/report.csv", [])


async def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """That moves, and is gone at the end."""
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: ASYNC230
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        counted = tally(done=5, total=10)
        display = Display(counted)
        async with display.shown():
            await asyncio.sleep(0.4)
            display.notice("something")
        terminal.flush()
        seen = ""
        while "something" not in seen:
            seen += os.read(ours, 10**5).decode(errors="replace")
    os.close(ours)
    assert "5 done, 0 failed" in seen
    assert "something" in seen
    assert "\x1b[" in seen
