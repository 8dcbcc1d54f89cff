"""Judges whether a running engine is still alive, from what was seen when. Pure.

A hang may leave `/health` green. Its sign is that requests run while not one token is generated.
"""

from dataclasses import dataclass

from adapter.engine.load import Load


@dataclass
class Liveness:
    """An engine's signs of life. Times are in seconds of one clock; `now_s` is when it was known to be well.

    The engine is lost after `silence_s` without an answer, or `stall_s` without a token while requests run.
    """

    silence_s: float
    stall_s: float
    now_s: float
    tokens: int = -1

    def __post_init__(self) -> None:
        self.answered_s = self.moved_s = self.now_s

    def see(self, now_s: float, *, healthy: bool, load: Load | None) -> None:
        """Notes what the engine answered: whether it is healthy, and its load, None where it doesn't tell."""
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
        """The reason for which the engine is lost, None while it isn't."""
        if self.now_s - self.answered_s > self.silence_s:
            return f"The engine hasn't answered for {self.silence_s:.0f} s"
        if self.now_s - self.moved_s > self.stall_s:
            return f"The engine hangs: it has written nothing for {self.stall_s:.0f} s"
        return None
