"""The memory of files that wait to be decoded."""

import threading

from adapter.images.memory import Memory


def test_more_waits_until_there_is_room() -> None:
    """What a reservation took is given back with it."""
    memory = Memory(100)
    got = threading.Event()

    def take() -> None:
        with memory.reserved() as second:
            second.more(60)
            got.set()

    with memory.reserved() as first:
        first.more(30)
        first.more(30)
        taking = threading.Thread(target=take)
        taking.start()
        assert not got.wait(0.05)
    assert got.wait(20)
    taking.join()


def test_more_than_the_whole_is_given_to_a_single_file() -> None:
    """It would wait for ever."""
    with Memory(100).reserved() as one:
        one.more(1000)
