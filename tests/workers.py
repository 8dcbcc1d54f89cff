"""Workers of a run on many machines, in this process."""

import asyncio

from adapter.dataset.cluster.cluster_worker import ClusterWorker
from adapter.dataset.cluster.crew import WorkerLostError
from adapter.dataset.cluster.news import News
from adapter.dataset.cluster.part import Part


class WorkerHere:
    """A worker without an actor around it. It is lost, or falls silent, at the exchange of that number."""

    def __init__(self, worker: ClusterWorker, lost_at: int | None, silent_at: int | None) -> None:
        self._worker = worker
        self._lost_at = lost_at
        self._silent_at = silent_at
        self._exchanges = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def exchange(self, part: Part | None, *, closing: bool = False) -> News:
        self._exchanges += 1
        if self._exchanges == self._lost_at:
            raise WorkerLostError("its machine burns")
        if self._exchanges == self._silent_at:
            await asyncio.Event().wait()
        return await self._worker.exchange(part, closing=closing)

    async def stop(self) -> None:
        await self._worker.stop()

    def dismiss(self) -> None:
        for _ in range(2):
            self._tasks.add(asyncio.create_task(self._worker.stop()))
