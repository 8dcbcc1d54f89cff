"""Signs of life."""

from adapter.engine.client import Load
from adapter.engine.vitals import Vitals


def vitals() -> Vitals:
    return Vitals(silence_s=30, stall_s=60, now_s=100)


def test_silence_is_forgiven_until_it_lasts() -> None:
    """One answer ends it."""
    life = vitals()
    life.see(129, healthy=False, load=None)
    assert life.lost is None
    life.see(130, healthy=True, load=None)
    life.see(159, healthy=False, load=None)
    assert life.lost is None
    life.see(161, healthy=False, load=None)
    assert life.lost == "The engine hasn't answered for 30 s"


def test_requests_that_run_without_a_token_are_a_hang() -> None:
    """While /health is green."""
    life = vitals()
    for now_s in range(105, 165, 5):
        life.see(now_s, healthy=True, load=Load(3, 0, 1000))
        assert life.lost is None
    life.see(166, healthy=True, load=Load(3, 0, 1000))
    assert life.lost == "The engine hangs: it has written nothing for 60 s"


def test_an_idle_or_a_busy_engine_does_not_hang() -> None:
    """However long."""
    life = vitals()
    for turn in range(1, 100):
        running = turn % 2
        life.see(100 + turn * 25, healthy=True, load=Load(running, 0, 1000 + turn // 50))
        assert life.lost is None
    busy = vitals()
    for turn in range(1, 100):
        busy.see(100 + turn * 25, healthy=True, load=Load(9, 9, turn))
        assert busy.lost is None
