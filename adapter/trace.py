"""What became of one request: the seconds of its stages, its captions, tokens and failures."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

# read: reading the file. wait: waiting for a turn, or for an engine that is away. prepare: decoding, with the
# wait for a process. engine: from the engine's request to its whole answer.
Stage = Literal["read", "prepare", "wait", "engine"]
Observe = Callable[[Stage, float], None]


class Trace:
    """The record of one request. `observe` is told each stage of each image as it ends.

    `subject` says what the request is about. `texts` are prompts with their captions, None where they aren't
    kept.
    """

    def __init__(self, observe: Observe | None = None, *, keep_texts: bool = False) -> None:
        self.subject = ""
        self.texts: list[tuple[str, str]] | None = [] if keep_texts else None
        self.seconds: Counter[Stage] = Counter()  # of all images together
        self.captions = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.failures: Counter[str] = Counter()  # by the error's code
        self.flaws: Counter[str] = Counter()  # of answers that weren't good enough, by kind
        self._observe = observe

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Adds the seconds that the context lasts to the stage."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._add(stage, time.monotonic() - started)

    def adopt(self, earlier: "Trace") -> None:
        """Counts what was done for this request before it came: stages, tokens, and flaws on the way."""
        for stage, seconds in earlier.seconds.items():
            self._add(stage, seconds)
        self.read(earlier.prompt_tokens, earlier.completion_tokens)
        self.flaws.update(earlier.flaws)

    def _add(self, stage: Stage, seconds: float) -> None:
        self.seconds[stage] += seconds  # type: ignore[assignment]  # a Counter holds any number
        if self._observe is not None:
            self._observe(stage, seconds)

    def read(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts the tokens of one more answer of the engine's, whatever becomes of it."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def reject(self, flaws: Iterable[str]) -> None:
        """Counts the flaws of an answer that isn't given out, or not as it is."""
        self.flaws.update(map(str, flaws))

    def succeed(self, prompt: str, caption: str) -> None:
        """Counts one more caption."""
        self.captions += 1
        if self.texts is not None:
            self.texts.append((prompt, caption))

    def fail(self, code: str) -> None:
        """Counts the failure of one image, or of the request as a whole."""
        self.failures[code] += 1
