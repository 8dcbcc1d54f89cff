"""Processes for work that would hold up the service: reading and judging texts, searching, changing them."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import ParamSpec, TypeVar

from adapter.child_process import follow_parent
from adapter.errors import OutOfResourcesError, StoppingError

COUNT = 2  # so that a question doesn't wait for a large folder to be read

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Runs functions in processes of their own, which are started when they are needed. Must be closed."""

    def __init__(self, count: int = COUNT) -> None:
        self._count = count
        self._pool: _Pool | None = None
        self._is_closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Gives what the function gives, or raises what it raises.

        Raises OutOfResourcesError where its process was killed, and StoppingError after `close`.
        """
        if self._is_closed:
            raise StoppingError
        pool = self._pool = self._pool or _Pool(self._count)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(pool.executor, partial(function, *args, **kwargs))
        except asyncio.CancelledError:
            if self._is_closed:  # before it began
                raise StoppingError from None
            raise
        except BrokenProcessPool as error:
            if self._is_closed:
                raise StoppingError from error
            if self._pool is pool:
                self._pool = None
                pool.end()
            raise OutOfResourcesError(
                "A process that worked on texts was killed; was the memory full?"
            ) from error

    def close(self) -> None:
        """Ends the processes, whatever they are doing."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.end()
            self._pool = None


class _Pool:
    """An executor whose processes end when their leash is let go."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        reader, self._leash = context.Pipe(duplex=False)
        self._reader = reader
        self.executor = ProcessPoolExecutor(count, context, follow_parent, (reader,))

    def end(self) -> None:
        self._leash.close()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self._reader.close()
