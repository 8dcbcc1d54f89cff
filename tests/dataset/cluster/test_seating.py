"""How many workers a cluster gets."""

import pytest

from adapter.dataset.cluster.seating import SOME_CPUS, Seating, engine_urls_of, seated
from adapter.errors import InvalidRequestError

PLAIN = {"CPU": 8.0}
EIGHT = {"CPU": 64.0, "GPU": 8.0}


@pytest.mark.parametrize(
    ("machines", "options", "seating"),
    [
        ([EIGHT, EIGHT, PLAIN], {}, Seating(16, 1, 0, 8)),
        ([EIGHT, EIGHT], {"wanted": 3}, Seating(3, 1, 0, 8)),
        ([EIGHT, {"GPU": 3.0}], {"split": 2}, Seating(5, 2, 0, 4)),
        ([EIGHT, EIGHT], {"has_engines": True}, Seating(2, 0, SOME_CPUS, 1)),
        ([PLAIN, PLAIN], {"has_engines": True, "wanted": 5}, Seating(5, 0, SOME_CPUS, 3)),
        ([PLAIN, PLAIN], {}, Seating(2, 0, 8, 1)),
        ([PLAIN, {"CPU": 2.0}], {"wanted": 4}, Seating(4, 0, 1, 2)),
        ([{}], {"wanted": 2}, Seating(2, 0, 0, 2)),
        ([{"GPU": 1.0, "CPU": 4.0}], {"split": 2}, Seating(1, 0, 4, 1)),
    ],
)
def test_there_is_a_worker_for_each_gpu_or_each_machine(
    machines: list[dict[str, float]], options: dict[str, int], seating: Seating
) -> None:
    """Unless somebody says how many."""
    assert seated(machines, **options) == seating  # type: ignore[arg-type]


def test_more_workers_than_gpus_are_refused() -> None:
    """They would wait for ever."""
    with pytest.raises(InvalidRequestError, match="--ray-actors 9 needs 9 GPUs"):
        seated([EIGHT], wanted=9)


def test_workers_share_the_engines_that_there_are() -> None:
    """Each has some of many, or one of few."""
    assert [engine_urls_of("abc", number, 2) for number in (1, 2)] == [("a", "c"), ("b",)]
    assert [engine_urls_of("ab", number, 3) for number in (1, 2, 3)] == [("a",), ("b",), ("a",)]
    assert engine_urls_of((), 1, 2) == ()
