"""What goes to standard output: results, for people or for programs."""

import contextlib
import sys
from collections.abc import Iterable

from adapter.dataset.records import displayed


def print_result(text: str) -> None:
    """Prints `text`, whatever names are in it; a reader that has gone is no error."""
    print_pieces([text])


def print_pieces(pieces: Iterable[str]) -> None:
    """Prints the pieces of a text that need not fit into the memory, as `print_result` does."""
    with contextlib.suppress(BrokenPipeError):
        for piece in pieces:
            sys.stdout.write(displayed(piece))
        print(file=sys.stdout, flush=True)
