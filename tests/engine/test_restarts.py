"""When an engine is started again, and when it isn't."""

from adapter.engine.restarts import GOOD_AFTER_S, MAX_PAUSE_S, MAX_STARTS, Restarts


def test_pause_after_a_first_start_that_ended_is_none() -> None:
    """What ended the first start would end the next one."""
    assert Restarts().pause_s("process", None) is None


def test_pause_while_the_engine_ends_soon_grows_to_a_minute() -> None:
    """Each pause is twice the one before, from a second on."""
    restarts = Restarts()
    pauses = [restarts.pause_s("process", 3.0) for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 32, MAX_PAUSE_S, MAX_PAUSE_S]


def test_pause_after_a_good_time_begins_anew() -> None:
    """One fault per day isn't one per minute."""
    restarts = Restarts()
    for _ in range(5):
        restarts.pause_s("lost", 3.0)
    assert restarts.pause_s("lost", GOOD_AFTER_S + 1) == 1


def test_pause_after_many_starts_in_vain_is_none() -> None:
    """Nobody starts for ever what fails its checks from the first, or can't start any more."""
    untrusted = Restarts()
    pauses = [untrusted.pause_s("untrusted", None) for _ in range(MAX_STARTS)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None
    ended = Restarts()
    ended.pause_s("process", 3.0)
    pauses = [ended.pause_s("process", None) for _ in range(MAX_STARTS)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None
