"""When a running engine counts as lost."""

from adapter.engine.liveness import Liveness
from adapter.engine.load import Load


def liveness() -> Liveness:
    return Liveness(silence_s=30, stall_s=60, now_s=100)


def test_lost_after_silence_that_lasts() -> None:
    """A short silence is forgiven, and one answer ends it."""
    life = liveness()
    life.see(129, healthy=False, load=None)
    assert life.lost is None
    life.see(130, healthy=True, load=None)
    life.see(159, healthy=False, load=None)
    assert life.lost is None
    life.see(161, healthy=False, load=None)
    assert life.lost == "The engine hasn't answered for 30 s"


def test_lost_when_requests_run_without_a_token() -> None:
    """A hang may leave /health green."""
    life = liveness()
    for now_s in range(105, 165, 5):
        life.see(now_s, healthy=True, load=Load(3, 0, 1000))
        assert life.lost is None
    life.see(166, healthy=True, load=Load(3, 0, 1000))
    assert life.lost == "The engine hangs: it has written nothing for 60 s"


def test_lost_never_while_the_engine_is_idle_or_writes() -> None:
    """Neither an idle engine nor a busy one hangs, however long that lasts."""
    life = liveness()
    for turn in range(1, 100):
        running = turn % 2
        life.see(100 + turn * 25, healthy=True, load=Load(running, 0, 1000 + turn // 50))
        assert life.lost is None
    busy = liveness()
    for turn in range(1, 100):
        busy.see(100 + turn * 25, healthy=True, load=Load(9, 9, turn))
        assert busy.lost is None


def test_lost_when_a_hang_begins_after_a_long_idle_time() -> None:
    """The time without a token counts from the last time that the engine was seen idle."""
    life = liveness()
    life.see(1000, healthy=True, load=Load(0, 0, 5))
    life.see(1059, healthy=True, load=Load(1, 0, 5))
    assert life.lost is None
    life.see(1061, healthy=True, load=Load(1, 0, 5))
    assert life.lost == "The engine hangs: it has written nothing for 60 s"


def test_lost_is_over_once_a_token_is_written() -> None:
    """What was judged to hang may only have been slow."""
    life = liveness()
    for now_s in (100, 161):
        life.see(now_s, healthy=True, load=Load(1, 0, 5))
    assert life.lost is not None
    life.see(162, healthy=True, load=Load(1, 0, 6))
    assert life.lost is None
