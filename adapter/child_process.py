"""What a process does that works for another one of ours: it leaves interrupts to that, and ends with it."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait


def follow_parent(leash: Connection | None = None) -> None:
    """Ends this process when its parent ends, however it ends, or when the other end of `leash` is closed.

    Meant as the initializer of an executor.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    watched: list[Connection | int] = [parent.sentinel]
    if leash is not None:
        watched.append(leash)

    def end() -> None:
        wait(watched)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
