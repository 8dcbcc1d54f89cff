"""The tree of errors."""

import adapter.errors
from adapter.errors import CaptionError


def descendants(kind: type[CaptionError]) -> list[type[CaptionError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in descendants(child))]


def test_the_docstring_shows_the_whole_tree() -> None:
    """Each class with its status, and whether to retry."""
    lines = (adapter.errors.__doc__ or "").splitlines()
    for kind in descendants(CaptionError)[1:]:
        if kind.__module__ != "adapter.errors":
            continue
        line = next(line for line in lines if line.strip().startswith(kind.__name__ + " "))
        depth = len(kind.__mro__) - len(CaptionError.__mro__)
        assert len(line) - len(line.lstrip()) == 4 * depth
        assert str(kind.status) in line
        assert ("retry" in line.split("  ")[-1]) is kind.retryable
