"""What came of a run, counted as it goes."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from adapter.chat import Caption

MOST_EXAMPLES = 3


@dataclass
class Tally:
    """Counts of texts. `started` is when the first caption was asked for, on the monotonic clock."""

    done: int = 0
    skipped: int = 0
    edited: int = 0
    failed: int = 0
    cut: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    total: int | None = None  # texts in all, once they are counted
    started: float = field(default_factory=time.monotonic)
    resting_s: float = 0.0  # without an engine
    first_s: float | None = None  # until the first text was in its place

    @property
    def settled(self) -> int:
        return self.done + self.skipped + self.edited + self.failed

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Texts made in a second, the time without an engine left out."""
        return self.done / max(self.seconds - self.resting_s, 1e-9)

    @property
    def remaining_s(self) -> float | None:
        """An estimate, None while there is nothing to base it on."""
        if self.total is None or not self.done:
            return None
        return max(0, self.total - self.settled) / self.rate

    def begin(self) -> None:
        """The first caption is asked for now."""
        self.started = time.monotonic()

    def succeed(self, caption: Caption) -> None:
        if self.first_s is None:
            self.first_s = self.seconds
        self.done += 1
        self.cut += caption.finish_reason == "length"
        self.prompt_tokens += caption.prompt_tokens
        self.completion_tokens += caption.completion_tokens

    def fail(self, image: str, message: str, reason: str) -> None:
        self.failed += 1
        self.reasons[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(f"{image}: {message}")

    def as_dict(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "skipped": self.skipped,
            "edited": self.edited,
            "failed": self.failed,
            "cut": self.cut,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "seconds": round(self.seconds, 3),
            "first_caption_s": None if self.first_s is None else round(self.first_s, 3),
            "images_per_s": round(self.rate, 3) if self.done else 0.0,
            "failures": {
                reason: {"count": count, "examples": self.examples[reason]}
                for reason, count in self.reasons.most_common()
            },
        }
