"""What people see of a run: a progress bar, or lines where there is no terminal, and a summary at the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn

from adapter.dataset.events import (
    EngineAway,
    EngineBack,
    EngineProgressed,
    Event,
    ShardDone,
    ShardLeft,
    Stopping,
    TarWritten,
)
from adapter.dataset.records import displayed
from adapter.dataset.tally import Tally

LINE_S = 10.0
BAR_S = 0.25


class Display:
    """Shows a tally while it changes, and events, on standard error: standard output is for results."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def take(self, event: Event) -> None:
        """Shows an event that is worth a line of its own."""
        match event:
            case EngineProgressed(message):
                self.notice(f"Engine: {message}")
            case EngineAway():
                self.notice("The engine doesn't answer: the run waits for it")
            case EngineBack(away_s):
                self.notice(f"The engine is back after {away_s:.0f} s")
            case Stopping(limit_s):
                self.notice(f"Stopping: what is under way has {limit_s:.0f} s to finish")
            case ShardDone(output, rows, failed, others):
                left = f"; {others} images in other fields of samples were left out" if others else ""
                self.notice(f"{output}: {rows} rows, {failed} failed{left}")
            case TarWritten(tar, 0, left_out):
                self.notice(f"{tar} isn't made: none of {left_out} images has a caption")
            case TarWritten(tar, samples, left_out):
                left = f"; {left_out} images without a caption were left out" if left_out else ""
                self.notice(f"{tar}: {samples} samples{left}")
            case ShardLeft(shard, _, failed, why):
                if why or failed:
                    self.notice(f"{shard} is left as it is{why and ': '}{why}, {failed} rows failed before")
            case _:
                pass  # the bar shows it

    def notice(self, text: str) -> None:
        """Shows a line that stays."""
        self._console.print(displayed(text), soft_wrap=True)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Shows the tally while the context lasts."""
        showing = asyncio.create_task(self._show_bar() if self._console.is_terminal else self._show_lines())
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _show_lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_S)
            self.notice(progress_line(self.tally))

    async def _show_bar(self) -> None:
        bar = Progress(BarColumn(), TextColumn("{task.description}"), console=self._console)
        task = bar.add_task("", total=None)
        with Live(bar, console=self._console, refresh_per_second=1 / BAR_S, transient=True):
            while True:
                tally = self.tally
                settled, total = tally.settled, tally.total
                if total is None and tally.shards is not None:
                    settled, total = tally.shards_done, tally.shards
                bar.update(task, total=total, completed=settled, description=progress_line(tally))
                await asyncio.sleep(BAR_S)


def progress_line(tally: Tally) -> str:
    """Gives a line such as `12 done, 1 failed, 30 skipped of 100, 4.2 images/s, 0:00:14 left`."""
    parts = [f"{tally.done} done, {tally.failed} failed, {tally.skipped + tally.edited} skipped"]
    if tally.total is not None:
        parts[0] += f" of {tally.total}"
    if tally.shards is not None:
        parts.append(f"{tally.shards_done} of {tally.shards} shards")
    if tally.done:
        parts.append(f"{tally.rate:.1f} images/s")
    if tally.remaining_s is not None:
        about = "about " if tally.total is None else ""
        parts.append(f"{about}{timedelta(seconds=round(tally.remaining_s))} left")
    return ", ".join(parts)


def dropped_line(dropped: int) -> str:
    """Tells of replaced texts that can't be put back any more."""
    return f"{dropped} replaced texts of earlier runs were dropped: more than --history-bytes allows"


def judgement(tally: Tally) -> str:
    """Tells what became of bad captions; nothing where there were none."""
    counts = {
        "asked again": tally.asked_again,
        "repaired": tally.repaired,
        "refused": tally.refused,
        "kept with flaws": tally.kept,
    }
    parts = []
    for what, count in counts.items():
        if count.texts:
            kinds = ", ".join(f"{kind} {number}" for kind, number in count.kinds.most_common())
            parts.append(f"{count.texts} {what} ({kinds})")
    return ", ".join(parts)


def summary(tally: Tally, report: Path | None, kept: str = "joycaption status") -> str:
    """Tells what came of the run, in a few lines. Without a `report`, failures are `kept` elsewhere."""
    took = timedelta(seconds=round(tally.seconds))
    lines = [f"{tally.done} captioned, {tally.skipped} skipped, {tally.failed} failed in {took}"]
    if tally.done:
        mean = tally.completion_tokens / tally.done
        lines.append(
            f"{tally.rate:.1f} images/s, {tally.completion_tokens} tokens written ({mean:.0f} a caption), "
            f"{tally.prompt_tokens} read"
        )
    if judged := judgement(tally):
        lines.append(judged)
    if tally.cut:
        lines.append(f"{tally.cut} were cut at --max-tokens")
    if tally.replaced:
        lines.append(f"{tally.replaced} texts were replaced; joycaption undo puts them back")
    if tally.edited:
        lines.append(
            f"{tally.edited} were edited by hand and stay as they are (--overwrite-edited replaces them)"
        )
    for reason, count in tally.reasons.most_common():
        lines.append(f"failed, {reason}: {count}")
        lines += [f"  {example}" for example in tally.examples[reason]]
    if tally.failed:
        where = str(report) if report else f"{kept}, or --report FILE.csv"
        lines.append(f"All failures: {where}. --retry-failed tries just those again")
    return "\n".join(lines)
