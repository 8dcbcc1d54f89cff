"""Who goes first, at the captioner's turns and in the engine's own queue."""

from enum import IntEnum


class Priority(IntEnum):
    """Whose a request is; the lowest number goes first, as in vLLM. Clients can't choose it."""

    PERSON = 0  # somebody waits for this one answer
    BATCH = 1  # many images of one request
    RUN = 2  # a dataset run, which fills the engine for hours
    AHEAD = 3  # nobody has asked for it yet
