"""Asking the engine again where that helps. Nothing else in the project does so."""

from types import TracebackType
from typing import Self

from adapter.engine.endpoint import Endpoint
from adapter.engine.seat import Seat
from adapter.errors import EngineError
from adapter.policy import Retry
from adapter.trace import Trace

# Of one request, where its engine was lost. Captioning has no side effect, so it is sent to another; but a
# request by which engines die shouldn't end all of them.
MAX_ATTEMPTS = 3


class Attempt:
    """One try at a request: a context that gives the endpoint, and keeps an error that a new try may mend."""

    def __init__(self, endpoint: Endpoint, trace: Trace, *, is_last: bool) -> None:
        self._endpoint = endpoint
        self._stage = trace.stage("engine")
        self._is_last = is_last
        self.error: EngineError | None = None

    def commit(self) -> None:
        """Makes this the last try, because a part of its answer has been given out."""
        self._is_last = True

    def __enter__(self) -> Endpoint:
        self._stage.__enter__()
        return self._endpoint

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._stage.__exit__(kind, error, trace)
        if isinstance(error, EngineError) and error.retry is not Retry.NEVER and not self._is_last:
            self.error = error
            return True
        return False


class Attempts:
    """Gives one attempt, and further ones at an engine that is ready where the last one's engine was lost.

    `seat` moves to that engine. Raises the error of an attempt that failed though its engine is there, and
    EngineNotReadyError.
    """

    def __init__(self, seat: Seat, trace: Trace) -> None:
        self._seat = seat
        self._trace = trace
        self._number = 0
        self._attempt: Attempt | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Attempt:
        if self._attempt is not None:
            error = self._attempt.error
            if error is None:
                raise StopAsyncIteration
            if not await self._seat.is_lost():
                raise error
            with self._trace.stage("wait"):
                await self._seat.move()
        self._number += 1
        self._attempt = Attempt(self._seat.endpoint, self._trace, is_last=self._number == MAX_ATTEMPTS)
        return self._attempt
