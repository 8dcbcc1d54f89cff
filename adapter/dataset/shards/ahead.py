"""Does work ahead of its turn, in threads that the program's end doesn't wait for."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def one_ahead(elements: Iterator[T]) -> Iterator[T]:
    """Yields the elements; each is found while the one before it is used. Raises what finding it raises."""
    coming = _in_thread(lambda: list(islice(elements, 1)))
    while found := coming.result():
        coming = _in_thread(lambda: list(islice(elements, 1)))
        yield from found


def several_ahead(work: Callable[[S], T], elements: Iterable[S], count: int) -> Iterator[T]:
    """Yields what `work` gives for each element, in their order, of which `count` are worked at together."""
    coming: deque[Future[T]] = deque()
    for element in elements:
        coming.append(_in_thread(partial(work, element)))
        if len(coming) >= count:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def _in_thread(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again where the result is wanted
            future.set_exception(error)

    threading.Thread(target=run, name="ahead", daemon=True).start()
    return future
