"""Work ahead of its turn."""

import threading
from collections.abc import Iterator

import pytest

from adapter.dataset.shards.ahead import one_ahead, several_ahead

LIMIT_S = 30


def test_the_next_element_is_found_while_one_is_used() -> None:
    """And the last one is followed by none."""
    found = [threading.Event() for _ in range(3)]

    def elements() -> Iterator[int]:
        for number, event in enumerate(found):
            event.set()
            yield number

    used = []
    for number in one_ahead(elements()):
        assert found[min(number + 1, 2)].wait(LIMIT_S)
        used.append(number)
    assert used == [0, 1, 2]


def test_several_are_worked_at_together_and_come_in_their_order() -> None:
    """The first waits here for the last of them."""
    last = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            last.set()
        assert last.wait(LIMIT_S)
        return number * 10

    assert list(several_ahead(work, range(4), 4)) == [0, 10, 20, 30]


def test_an_error_comes_when_it_is_its_turn() -> None:
    """What was found before it is good."""

    def elements() -> Iterator[int]:
        yield 1
        raise LookupError("two")

    taken = one_ahead(elements())
    assert next(taken) == 1
    with pytest.raises(LookupError, match="two"):
        next(taken)
