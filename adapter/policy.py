"""What an error says of itself: whose fault it is, whether asking again helps, and the exit code."""

import errno
from enum import Enum, IntEnum


class Fault(Enum):
    """What has to change before the same thing can succeed."""

    REQUEST = "request"
    IMAGE = "image"
    ENGINE = "engine"
    MACHINE = "machine"


class Retry(Enum):
    """When asking again may succeed, with nothing changed in what is asked."""

    NEVER = "never"
    NOW = "now"  # this try failed by accident
    LATER = "later"  # something is missing that may be back after the error's `retry_after_s`


class ExitCode(IntEnum):
    """What the command line's exit codes say. This is their only table."""

    DONE = 0
    SOME_FAILED = 1
    WRONG_USAGE = 2
    ENGINE_GONE = 3
    INTERRUPTED = 130


EXIT_CODE_OF = {
    Fault.REQUEST: ExitCode.WRONG_USAGE,
    Fault.IMAGE: ExitCode.SOME_FAILED,
    Fault.ENGINE: ExitCode.ENGINE_GONE,
    Fault.MACHINE: ExitCode.SOME_FAILED,
}


def is_shortage(error: OSError) -> bool:
    """Tells whether `error` is about what the machine lacks, rather than about what was asked of it."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
