"""Workers as actors of a Ray cluster. The only module that knows Ray.

Plain actors rather than Ray Data's `map_batches`, which suits less (2.60, by its source). It binds two rows
to each actor before that can read them, and nothing comes of a row before its end: no progress, no counts,
and no row for a machine that is idle meanwhile. A run can't be asked to finish what is under way. An actor
whose engine fails for good ends the whole job, or, told to retry, takes rows for ever. What Ray Data is good
at, moving data between machines, isn't needed: images are read where they are captioned.

Keys never pass through Ray's own settings (`runtime_env`), which stand on command lines and in logs: workers
have the environment that their machine's `ray start` had.
"""

import contextlib
import io
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from adapter.config import PROJECT_DIR
from adapter.dataset.cluster.cluster_worker import Assignment, ClusterWorker
from adapter.dataset.cluster.crew import WorkerLostError
from adapter.dataset.cluster.news import News
from adapter.dataset.cluster.part import Part
from adapter.dataset.cluster.seating import Seating, engine_urls_of
from adapter.dataset.records import on_one_line
from adapter.errors import InvalidRequestError

LOCAL, AUTO = "local", "auto"
CONNECT_S = 10.0
OBJECT_STORE_BYTES = 100 * 2**20  # next to nothing goes through it
MAX_REASON = 300  # characters; Ray explains at length

log = logging.getLogger("adapter.dataset")


@contextlib.contextmanager
def joined(address: str) -> Iterator[dict[str, Mapping[str, float]]]:
    """Joins the cluster at that address, or starts one on this machine for LOCAL, and gives the resources of
    its machines by their ids. What Ray prints meanwhile goes to the log: standard output is for results.

    Raises InvalidRequestError where there is no such cluster.
    """
    starting: dict[str, Any] = {}
    _probe(address)
    if address == LOCAL:
        starting = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    with contextlib.redirect_stdout(_Log()):
        _join(address, starting)
        try:
            yield {node["NodeID"]: dict(node["Resources"]) for node in ray.nodes() if node["Alive"]}
        finally:
            ray.shutdown()


def _probe(address: str) -> None:
    """Looks whether anybody listens: Ray itself would try for minutes."""
    if address in (LOCAL, AUTO):
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        raise InvalidRequestError(f"--ray {address} is none of HOST:PORT, {AUTO} and {LOCAL}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise InvalidRequestError(f"There is no Ray cluster at {address}: {_reason(error)}") from error


def _join(address: str, starting: Mapping[str, Any]) -> None:
    try:
        # Workers import from the folder where this is called: this package, and nothing of a dataset's.
        with contextlib.chdir(PROJECT_DIR):
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **starting)
    except ConnectionError as error:
        where = "on this machine: start one with `ray start --head`" if address == AUTO else f"at {address}"
        where += ", or it wants another token (RAY_AUTH_MODE)"
        raise InvalidRequestError(f"There is no Ray cluster {where}") from error
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise InvalidRequestError(
            f"The Ray cluster at {address} can't be joined: {_reason(error)}"
        ) from error


class _Log(io.TextIOBase):
    """Takes what is printed into the log."""

    def write(self, text: str) -> int:
        if text.strip():
            log.info("ray: %s", on_one_line(text.strip()))
        return len(text)


class RayHands:
    """Makes workers of the `seating`, which share the engines at `engine_urls` if there are any.

    GPUs say where each is. Other workers take turns with the `machines`, and go elsewhere when theirs is
    gone.
    """

    def __init__(
        self, assignment: Assignment, seating: Seating, engine_urls: tuple[str, ...], machines: Sequence[str]
    ) -> None:
        self._assignment = ray.put(assignment)
        self._seating = seating
        self._engine_urls = engine_urls
        self._machines = machines
        self._options = {"num_gpus": seating.gpus, "num_cpus": seating.cpus, "max_restarts": 0}

    def hire(self, number: int) -> "RayHand":
        """Asks for a worker, which begins once there is a place for it."""
        urls = engine_urls_of(self._engine_urls, number, self._seating.workers)
        strategy: Any = "SPREAD"
        if not self._seating.gpus:
            machine = self._machines[(number - 1) % len(self._machines)]
            strategy = NodeAffinitySchedulingStrategy(machine, soft=True)
        made = ray.remote(ClusterWorker).options(**self._options, scheduling_strategy=strategy)
        return RayHand(made.remote(self._assignment, urls))


class RayHand:
    """A worker as an actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def exchange(self, part: Part | None, *, closing: bool = False) -> News:
        with _losses():
            news: News = await self._actor.exchange.remote(part, closing=closing)
            return news

    async def stop(self) -> None:
        with _losses():
            await self._actor.stop.remote()

    def dismiss(self) -> None:
        with contextlib.suppress(RayError):
            ray.kill(self._actor)


@contextlib.contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except RayTaskError:
        raise  # a bug of ours
    except RayError as error:
        raise WorkerLostError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Gives what there is to know of a foreign error, on one line that isn't long."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return on_one_line(" ".join(lines))[:MAX_REASON] or type(error).__name__
