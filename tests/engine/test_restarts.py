"""When an engine is started again."""

from adapter.engine.restarts import GOOD_AFTER_S, LONGEST_PAUSE_S, MOST_STARTS, Restarts


def test_a_first_start_that_ends_is_the_last() -> None:
    """What ended it would end the next."""
    assert Restarts().pause_s("process", None) is None


def test_pauses_grow_up_to_a_minute_while_it_ends_soon() -> None:
    """Doubling from a second."""
    restarts = Restarts()
    pauses = [restarts.pause_s("process", 3.0) for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_pauses_begin_anew_after_a_good_time() -> None:
    """A fault a day isn't one a minute."""
    restarts = Restarts()
    for _ in range(5):
        restarts.pause_s("lost", 3.0)
    assert restarts.pause_s("lost", GOOD_AFTER_S + 1) == 1


def test_starts_that_come_to_nothing_have_an_end() -> None:
    """Whether its checks fail from the first, or it can't start any more."""
    untrusted = Restarts()
    pauses = [untrusted.pause_s("untrusted", None) for _ in range(MOST_STARTS)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None
    ended = Restarts()
    ended.pause_s("process", 3.0)
    pauses = [ended.pause_s("process", None) for _ in range(MOST_STARTS)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None
