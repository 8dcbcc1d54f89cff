"""What goes to standard output: results, for people or for programs."""

import contextlib
import sys

from adapter.dataset.records import displayed


def print_result(text: str) -> None:
    """Prints `text`, whatever names are in it; a reader that has gone is no error."""
    with contextlib.suppress(BrokenPipeError):
        print(displayed(text), file=sys.stdout, flush=True)
