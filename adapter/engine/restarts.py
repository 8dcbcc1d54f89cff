"""Whether an engine that ended is started again, and after how long. Pure."""

from dataclasses import dataclass
from typing import Literal

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GOOD_AFTER_S = 600.0
MOST_STARTS = 8  # in a row that come to nothing: two minutes of pauses, and the starts themselves

# How a start ended: its process by itself; it no longer answers or writes; its self-checks keep failing.
End = Literal["process", "lost", "untrusted"]


@dataclass
class Restarts:
    """The history of one service's engine."""

    was_ready: bool = False
    _in_vain: int = 0
    _pause_s: float = FIRST_PAUSE_S

    def pause_s(self, end: End, ready_s: float | None) -> float | None:
        """Seconds until the next start, None when there is to be none.

        `ready_s`: how long it has been since the engine became ready, None when it never did in this start.
        What ended an engine's first start would do so again; later, what is in its way may pass.
        """
        if ready_s is None:
            self._in_vain += 1
        else:
            self.was_ready = True
            self._in_vain = 0
            if ready_s > GOOD_AFTER_S:
                self._pause_s = FIRST_PAUSE_S
        if self._in_vain == MOST_STARTS or (end == "process" and not self.was_ready):
            return None
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        return pause_s
