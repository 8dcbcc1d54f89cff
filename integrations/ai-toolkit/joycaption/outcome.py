"""What came of a job: how many texts there are now, and which failed for what reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .job_error import JobError, shown

MAX_EXAMPLES = 3


class Watcher(Protocol):
    """Who looks on while a job is done: AI-Toolkit's side of it. All of it is for the main thread."""

    def check(self) -> None:
        """Raises what ends the job where somebody wants it to stop. Cheap enough to be called often."""

    def tell(self, status: str) -> None:
        """Shows a line as the job's status, and once in its log."""

    def count(self, done: int, images_per_s: float | None) -> None:
        """Shows how many images are settled."""


@dataclass
class Outcome:
    """Counts of images. `edited` are those whose texts were left because somebody had edited them, and `cut`
    those whose texts end where `max_tokens` was met.
    """

    done: int = 0
    edited: int = 0
    cut: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, reason: str, example: str, times: int = 1) -> None:
        """Counts a failure, or several, for one reason, with one example."""
        self.failed += times
        self.reasons[reason] += times
        examples = self.examples.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def print(self, write: Callable[[str], None] = print) -> None:
        """Prints the counts, and the failures by their reasons, the most frequent first."""
        write(f"JoyCaption: {self.done} captioned, {self.failed} failed")
        if self.edited:
            write(f"  {self.edited} texts were edited by hand, and stay as they are")
        if self.cut:
            write(f"  {self.cut} texts end where max_tokens was met")
        for reason, times in self.reasons.most_common():
            write(f"  {times} failed: {reason}")
            for example in self.examples[reason]:
                write(f"    {shown(example)}")

    def raise_if_all_failed(self) -> None:
        """Raises JobError where nothing was captioned and something failed."""
        if self.failed and not self.done:
            reason = self.reasons.most_common(1)[0][0]
            example = self.examples[reason][0]
            raise JobError(f"Nothing was captioned: {self.failed} failed. {reason}: {example}")
