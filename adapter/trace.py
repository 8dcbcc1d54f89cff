"""What became of one request: its stages' seconds, its captions and tokens, its failures. Pure."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

# read: the file. wait: for a turn, or for an engine that is away. prepare: to pixels, waiting for a process
# included. engine: from its request to its whole answer.
Stage = Literal["read", "prepare", "wait", "engine"]
Observe = Callable[[Stage, float], None]


class Trace:
    """`observe` is told each stage of each image as it ends. `subject` says what it is about.

    `texts` are prompts with their captions, None when they aren't to be kept.
    """

    def __init__(self, observe: Observe | None = None, *, keep_texts: bool = False) -> None:
        self.subject = ""
        self.texts: list[tuple[str, str]] | None = [] if keep_texts else None
        self.seconds: Counter[Stage] = Counter()  # of all images together
        self.captions = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.failures: Counter[str] = Counter()  # by the error's code
        self._observe = observe

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Takes the time while the context lasts."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            self.seconds[stage] += seconds  # type: ignore[assignment]  # a Counter holds any number
            if self._observe is not None:
                self._observe(stage, seconds)

    def succeed(self, prompt: str, caption: str, prompt_tokens: int, completion_tokens: int) -> None:
        """One more caption."""
        self.captions += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if self.texts is not None:
            self.texts.append((prompt, caption))

    def fail(self, code: str) -> None:
        """One image, or the request as a whole, failed for that reason."""
        self.failures[code] += 1
