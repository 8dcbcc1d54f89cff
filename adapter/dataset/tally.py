"""What came of a run, counted from its events as it goes."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adapter.caption.answer import Answer
from adapter.dataset.events import (
    CaptioningBegan,
    EngineBack,
    Event,
    ShardDone,
    ShardLeft,
    TextEdited,
    TextFailed,
    TextSkipped,
    TextsLost,
    TextWritten,
)
from adapter.dataset.records import Failure, on_one_line

TEXT_COUNTS = ("done", "skipped", "edited", "failed", "cut", "replaced")
MAX_EXAMPLES = 3


@dataclass
class FlawCount:
    """How many texts there were of some sort, and what was wrong with them, by the kind of the flaw."""

    texts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kinds: Iterable[str]) -> None:
        """Counts one more text, and each of its kinds once."""
        self.texts += 1
        self.kinds.update(set(map(str, kinds)))

    def add_all(self, other: "FlawCount") -> None:
        """Adds what another one has counted."""
        self.texts += other.texts
        self.kinds.update(other.kinds)

    def as_dict(self) -> dict[str, Any]:
        """Gives the counts for programs."""
        return {"texts": self.texts, "kinds": dict(self.kinds.most_common())}


@dataclass
class Tally:
    """Counts of texts.

    `asked_again` are those for which more than one answer was needed, `repaired` those that lost a bad end,
    `refused` those too bad to be written, and `kept` those that were written all the same. `started` is the
    time on the monotonic clock at which the first caption was asked for.
    """

    done: int = 0
    skipped: int = 0
    edited: int = 0
    failed: int = 0
    cut: int = 0
    replaced: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    asked_again: FlawCount = field(default_factory=FlawCount)
    repaired: FlawCount = field(default_factory=FlawCount)
    refused: FlawCount = field(default_factory=FlawCount)
    kept: FlawCount = field(default_factory=FlawCount)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    total: int | None = None  # texts in all, once they are counted
    shards: int | None = None  # in all, where there are any
    shards_done: int = 0  # by this run, or before
    shards_to_make: int | None = None  # when the run began, once they are counted
    shards_made: int = 0  # by this run,
    shards_made_s: float = 0.0  # in so long, the time without an engine left out
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None  # on the same clock
    resting_s: float = 0.0  # without an engine
    first_s: float | None = None  # until the first text was in its place

    @property
    def settled(self) -> int:
        """Texts that nothing is left to do about."""
        return self.done + self.skipped + self.edited + self.failed

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self.ended is None else self.ended) - self.started

    @property
    def rate(self) -> float:
        """Texts per second, the time without an engine left out."""
        return self.done / max(self.seconds - self.resting_s, 1e-9)

    @property
    def remaining_s(self) -> float | None:
        """An estimate of the time that is left, None while there is nothing to base it on.

        Where nobody knows how many texts there are it goes by shards, once one was made.
        """
        if self.total is not None and self.done:
            return max(0, self.total - self.settled) / self.rate
        if self.shards_to_make is not None and self.shards_made and self.total is None:
            left_s = (self.shards_to_make - self.shards_made) * self.shards_made_s / self.shards_made
            return max(0, left_s - (self.seconds - self.resting_s - self.shards_made_s))
        return None

    def end(self) -> None:
        """Stops the clock, for whoever looks at the counts later."""
        self.ended = time.monotonic()

    def take(self, event: Event) -> None:
        """Counts what an event tells."""
        match event:
            case CaptioningBegan():
                self.started = time.monotonic()
            case TextWritten(_, answer, has_replaced):
                self._succeed(answer)
                self.replaced += has_replaced
            case TextSkipped():
                self.skipped += 1
            case TextEdited():
                self.edited += 1
            case ShardLeft(_, texts):
                self.skipped += texts
                self.shards_done += 1
            case ShardDone():
                self.shards_made += 1
                self.shards_made_s = self.seconds - self.resting_s
                self.shards_done += 1
            case TextsLost(texts):
                self.done -= texts
            case TextFailed(failure):
                self.fail(failure)
            case EngineBack(away_s):
                self.resting_s += away_s
            case _:
                pass  # nothing to count

    def fail(self, failure: Failure) -> None:
        """Counts a failure, and keeps the first of each reason as examples."""
        self.failed += 1
        self.reasons[failure.code] += 1
        if failure.flaws:
            self.refused.add(failure.flaws)
        examples = self.examples.setdefault(failure.code, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(f"{on_one_line(failure.image)}: {failure.message}")

    def add(self, other: "Tally") -> None:
        """Adds what another one has counted of this run. The clock stays this one's."""
        if self.first_s is None and other.done:
            self.first_s = self.seconds
        for name in TEXT_COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        for name in ("asked_again", "repaired", "refused", "kept"):
            getattr(self, name).add_all(getattr(other, name))
        self.reasons.update(other.reasons)
        for reason, examples in other.examples.items():
            known = self.examples.setdefault(reason, [])
            known += examples[: MAX_EXAMPLES - len(known)]

    def take_back(self, other: "Tally") -> None:
        """Takes texts that are lost out of the counts. What the engines have written stays counted."""
        for name in TEXT_COUNTS:
            setattr(self, name, getattr(self, name) - getattr(other, name))
        self.reasons -= other.reasons

    def _succeed(self, answer: Answer) -> None:
        if self.first_s is None:
            self.first_s = self.seconds
        self.done += 1
        self.cut += answer.finish_reason == "length" and not answer.is_repaired
        if answer.attempts > 1:
            self.asked_again.add(answer.rejected)
        if answer.is_repaired:
            self.repaired.add(answer.rejected)
        if kinds := [flaw.kind for flaw in answer.flaws or () if flaw.is_hard]:
            self.kept.add(kinds)
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def as_dict(self) -> dict[str, Any]:
        """Gives the counts for programs."""
        shards = {} if self.shards is None else {"shards": {"done": self.shards_done, "of": self.shards}}
        return shards | {
            "done": self.done,
            "skipped": self.skipped,
            "edited": self.edited,
            "failed": self.failed,
            "cut": self.cut,
            "replaced": self.replaced,
            "asked_again": self.asked_again.as_dict(),
            "repaired": self.repaired.as_dict(),
            "refused": self.refused.as_dict(),
            "kept": self.kept.as_dict(),
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
