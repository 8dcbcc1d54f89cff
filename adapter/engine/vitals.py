"""Whether a running engine still lives. Pure: told what was seen when, it says what is wrong.

A hang may leave `/health` green. Requests that are computed while not one token is generated are the sign.
"""

from dataclasses import dataclass

from adapter.engine.client import Load


@dataclass
class Vitals:
    """Signs of life, in seconds of one clock. `silence_s` without an answer, or `stall_s` without a token
    while requests run, mean that the engine is lost.
    """

    silence_s: float
    stall_s: float
    now_s: float
    tokens: int = -1

    def __post_init__(self) -> None:
        self.answered_s = self.moved_s = self.now_s

    def see(self, now_s: float, *, healthy: bool, load: Load | None) -> None:
        """What it answered just now: whether it is healthy, and how busy, None when it doesn't say."""
        self.now_s = now_s
        if not healthy:
            return
        self.answered_s = now_s
        if load is None:
            return
        if load.running == 0 or load.generated_tokens != self.tokens:
            self.moved_s = now_s
        self.tokens = load.generated_tokens

    @property
    def lost(self) -> str | None:
        """Why the engine is lost, None while it isn't."""
        if self.now_s - self.answered_s > self.silence_s:
            return f"The engine hasn't answered for {self.silence_s:.0f} s"
        if self.now_s - self.moved_s > self.stall_s:
            return f"The engine hangs: it has written nothing for {self.stall_s:.0f} s"
        return None
