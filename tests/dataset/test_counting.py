"""Counting the items of a run."""

import threading
from collections.abc import Iterator
from pathlib import Path

from adapter.dataset.counting import counting
from adapter.dataset.inputs.folder import Folder
from adapter.dataset.item import Item
from adapter.errors import InvalidRequestError

LIMIT_S = 20


def test_counting_tells_the_number_in_the_end(tmp_path: Path) -> None:
    """It is told once, from a thread of its own."""
    for number in range(7):
        (tmp_path / f"{number}.png").touch()
    told: list[int] = []
    counted = threading.Event()

    def done(number: int) -> None:
        told.append(number)
        counted.set()

    with counting(Folder(str(tmp_path)).items, done):
        assert counted.wait(LIMIT_S)
    assert told == [7]


def test_counting_that_is_ended_tells_nothing(tmp_path: Path) -> None:
    """The rest isn't looked for any more, and neither is what can't be read."""
    told: list[int] = []
    item = Folder(str(tmp_path)).item("a.png")
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def endless() -> Iterator[Item]:
        try:
            while True:
                begun.set()
                go_on.wait(LIMIT_S)
                yield item
        finally:
            ended.set()

    with counting(endless, told.append):
        assert begun.wait(LIMIT_S)
    go_on.set()
    assert ended.wait(LIMIT_S)

    def unreadable() -> Iterator[Item]:
        try:
            raise InvalidRequestError("The folder can't be read")
        finally:
            failed.set()
        yield item

    failed = threading.Event()
    with counting(unreadable, told.append):
        assert failed.wait(LIMIT_S)
    assert told == []
