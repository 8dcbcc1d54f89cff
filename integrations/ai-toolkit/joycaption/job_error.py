"""What can go wrong between a job and the service. `str(error)` is one line for the job's status."""

from __future__ import annotations

LINE_ENDS = str.maketrans("\r\n", "  ")


class JobError(Exception):
    """The job can't go on."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message).translate(LINE_ENDS))


class OptionError(JobError):
    """A field of the job's has a wrong value, or a name that isn't known."""


class ServiceAbsentError(JobError):
    """Nothing answers, or the connection was lost."""


class RefusedError(JobError):
    """The service answered with an error.

    `code` is its name for programs, empty where it has none, and `field` the part of the request at fault.
    """

    def __init__(self, message: str, status: int, code: str = "", field: str = "", wait_s: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.wait_s = wait_s  # before it makes sense to ask again


def shown(text: str) -> str:
    """Gives a text that can be printed and stored: names of files may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()
