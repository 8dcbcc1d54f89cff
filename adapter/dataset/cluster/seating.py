"""How many workers a cluster gets, and what each of them takes of its machine. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapter.errors import InvalidRequestError

SOME_CPUS = 0.01  # a worker that takes nothing at all is put anywhere, by chance


@dataclass(frozen=True)
class Seating:
    """So many workers with these resources each. `neighbours` is the most that one machine has of them."""

    workers: int
    gpus: int
    cpus: float
    neighbours: int


def seated(
    machines: Sequence[Mapping[str, float]],
    *,
    split: int = 1,
    has_engines: bool = False,
    wanted: int | None = None,
) -> Seating:
    """Gives the seating for machines with Ray's resources `GPU` and `CPU`.

    There is a worker for each GPU, or each `split` of them on a machine where a model is split over several;
    without GPUs, or where it `has_engines` already, one for each machine. `wanted` is the number of workers
    that somebody chose. Raises InvalidRequestError where there are fewer GPUs than that.
    """
    count = len(machines)
    fitting = [int(machine.get("GPU", 0)) // split for machine in machines]
    if sum(fitting) and not has_engines:
        workers = wanted or sum(fitting)
        if workers > sum(fitting):
            raise InvalidRequestError(
                f"--ray-actors {workers} needs {workers * split} GPUs, and the cluster has places for "
                f"{sum(fitting)} engines"
            )
        return Seating(workers, split, 0, max(fitting))
    workers = wanted or count
    neighbours = math.ceil(workers / count)
    cores = min(int(machine.get("CPU", 0)) for machine in machines)
    some = SOME_CPUS if cores else 0
    if has_engines:
        return Seating(workers, 0, some, neighbours)
    # A demonstration: each engine gets its share of the cores, which Ray tells it by OMP_NUM_THREADS.
    return Seating(workers, 0, cores // neighbours or some, neighbours)


def engine_urls_of(urls: Sequence[str], worker: int, workers: int) -> tuple[str, ...]:
    """Gives the engines that a worker, counted from 1, asks: its share, or one where there are fewer."""
    if not urls:
        return ()
    return tuple(urls[worker - 1 :: workers]) or (urls[(worker - 1) % len(urls)],)
