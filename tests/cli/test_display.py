"""What people see of a run."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from adapter.cli.display import Display, progress_line, summary
from adapter.dataset.events import EngineAway, EngineBack, EngineProgressed, Stopping, TextSkipped
from adapter.dataset.records import Failure
from adapter.dataset.tally import MAX_EXAMPLES, Tally


def tally(**counts: int) -> Tally:
    made = Tally(**counts)  # type: ignore[arg-type]
    made.started -= 10
    return made


def test_progress_line_tells_counts_rate_and_what_is_left() -> None:
    """It tells only what is known."""
    assert progress_line(tally(skipped=3)) == "0 done, 0 failed, 3 skipped"
    line = progress_line(tally(done=20, failed=1, skipped=9, total=130))
    assert line == "20 done, 1 failed, 9 skipped of 130, 2.0 images/s, 0:00:50 left"
    line = progress_line(
        tally(done=20, shards=9, shards_done=4, shards_to_make=6, shards_made=2, shards_made_s=9)
    )
    assert line == "20 done, 0 failed, 0 skipped, 4 of 9 shards, 2.0 images/s, about 0:00:17 left"


def test_summary_has_reasons_with_examples() -> None:
    """It shows a few of each, and says where all are."""
    counted = tally(done=2, completion_tokens=20, prompt_tokens=200, cut=1, edited=1)
    for number in range(9):
        counted.fail(Failure(f"{number}.png", "x", "image_damaged", "damaged", 0.0))
    text = summary(counted, None)
    assert "2 captioned, 0 skipped, 9 failed in 0:00:10" in text
    assert "20 tokens written (10 a caption), 200 read" in text
    assert "failed, image_damaged: 9" in text
    assert text.count(".png: damaged") == MAX_EXAMPLES
    assert "--overwrite-edited" in text
    assert "cut at --max-tokens" in text
    assert "r.csv" in summary(counted, Path("r.csv"))


async def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar moves, and is gone at the end."""
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: ASYNC230
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        counted = tally(done=5, total=10)
        display = Display(counted)
        seen = ""

        async def until_seen(text: str) -> None:
            nonlocal seen
            while text not in seen:
                seen += (await asyncio.to_thread(os.read, ours, 10**5)).decode(errors="replace")

        async with asyncio.timeout(20), display.shown():
            await until_seen("5 done, 0 failed")
            display.notice("something")
            await until_seen("something")
    os.close(ours)
    assert "5 done, 0 failed" in seen
    assert "something" in seen
    assert "\x1b[" in seen


def test_events_that_people_wait_for_have_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What the bar shows anyway has none."""
    display = Display(Tally())
    for event in (EngineProgressed("Loading"), EngineAway(), EngineBack(3.4), Stopping(10), TextSkipped("a")):
        display.take(event)
    assert capsys.readouterr().err.splitlines() == [
        "Engine: Loading",
        "The engine doesn't answer: the run waits for it",
        "The engine is back after 3 s",
        "Stopping: what is under way has 10 s to finish",
    ]
