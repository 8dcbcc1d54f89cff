"""Decides whether an engine that ended is started again, and after how long. Pure."""

from dataclasses import dataclass
from typing import Literal

MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0
GOOD_AFTER_S = 600.0
MAX_STARTS = 8  # in a row that come to nothing: two minutes of pauses, and the starts themselves

# How a start ended: the process by itself; the engine neither answers nor writes; its self-checks keep
# failing.
End = Literal["process", "lost", "untrusted"]


@dataclass
class Restarts:
    """The history of one engine's starts."""

    was_ready: bool = False
    _in_vain: int = 0
    _pause_s: float = MIN_PAUSE_S

    def pause_s(self, end: End, ready_s: float | None) -> float | None:
        """Gives the seconds until the next start, None where there is to be none.

        `ready_s` is how long ago the engine became ready in this start, None where it never did. What ended
        an engine's first start would end the next one too; later on, what is in its way may pass.
        """
        if ready_s is None:
            self._in_vain += 1
        else:
            self.was_ready = True
            self._in_vain = 0
            if ready_s > GOOD_AFTER_S:
                self._pause_s = MIN_PAUSE_S
        if self._in_vain == MAX_STARTS or (end == "process" and not self.was_ready):
            return None
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, MAX_PAUSE_S)
        return pause_s
