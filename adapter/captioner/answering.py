"""From an image and a request to an answer: admission, the image's preparation, the engine, the gate."""

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from typing import Any

from adapter.caption.answer import Answer, Chunk, ChunkedAnswer, to_answer
from adapter.caption.gate import Gate, Quality
from adapter.caption.request import CaptionRequest
from adapter.captioner.admission import Admission
from adapter.captioner.asking import Asked, Turn
from adapter.captioner.attempts import Attempts
from adapter.captioner.priority import Priority
from adapter.engine.client import encode, encode_stream
from adapter.engine.fleet import Fleet
from adapter.engine.seat import taken
from adapter.errors import CaptionError
from adapter.images.preparation import Preparation
from adapter.images.sources import ImageSource
from adapter.trace import Trace


class Captioner:
    """Answers requests about images by the engines of a fleet. Must be drained when done with.

    A new request waits up to `engine_wait_s` for an engine that was ready and may come back; one that was
    under way when its engine went away is sent to another, for which it waits up to `patience_s`. So does one
    that finds the engines asleep. A bad answer is asked for again, as `quality` says. `captions_made` counts
    what was given out.
    """

    def __init__(
        self,
        fleet: Fleet,
        preparation: Preparation,
        admission: Admission,
        *,
        engine_wait_s: float = 0.0,
        patience_s: float = 0.0,
        quality: Quality | None = None,
    ) -> None:
        self.fleet = fleet
        self.admission = admission
        self.preparation = preparation
        self._engine_wait_s = engine_wait_s
        self._patience_s = patience_s
        self._quality = quality or Quality()
        self.captions_made = 0

    @contextlib.asynccontextmanager
    async def admit(self, images: int, *, outlasts_restarts: bool = False) -> AsyncIterator[None]:
        """Holds room for `images` while the context lasts.

        Engines that are asleep are woken, and waited for once the answer may be begun: that takes a while.
        With `outlasts_restarts` so are engines of our own that are being started again. Raises StoppingError,
        EngineBusyError where too many wait already, and EngineNotReadyError.
        """
        with self.admission.room(images):
            self.fleet.wake()
            waits_later = self.fleet.status.waking or (outlasts_restarts and self.fleet.restarts_own)
            if not waits_later:
                with self.admission.at_work():
                    await self.fleet.endpoint(self._engine_wait_s)
            yield

    async def inspect(self, image: ImageSource) -> None:
        """Checks the file and the header of `image` where it would have to wait for its turn.

        Where it wouldn't, asking about it tells as quickly. Raises errors with the fault of the image,
        InvalidRequestError, OutOfResourcesError, and StoppingError where `drain` gives it up.
        """
        if not self.admission.has_free_turn:
            with self.admission.at_work():
                await self.preparation.inspect(image)

    def ask(
        self,
        image: ImageSource | None,
        request: CaptionRequest,
        trace: Trace | None = None,
        priority: Priority = Priority.PERSON,
    ) -> "PendingAnswer":
        """Asks about an admitted image, or none: await the answer, or iterate over it while it is written.

        Both raise errors with the fault of image, engine or machine, and InvalidRequestError. Only an answer
        that is awaited is judged: then BadCaptionError is among them.
        """
        return PendingAnswer(self, image, request, trace or Trace(), priority)

    async def ask_each(
        self,
        image: ImageSource | None,
        requests: Sequence[CaptionRequest],
        trace: Trace | None = None,
        priority: Priority = Priority.PERSON,
    ) -> AsyncGenerator[Answer]:
        """Yields the answers to several requests about one image, each as soon as it is there.

        The image is prepared once, and the requests follow one another at one engine, so that it finds the
        image's part of the prompt in its prefix cache. Raises as `ask` does; what was given by then stays
        good.
        """
        trace = trace or Trace()
        async with self._turn(image, trace, priority) as turn:
            for request in requests:
                started = time.monotonic()  # its own time, without the wait for its turn
                yield await self._whole(turn, request, started, is_last=request is requests[-1])

    async def drain(self, limit_s: float) -> None:
        """Admits no more images, waits up to `limit_s` for those under way, and gives up the rest."""
        await self.admission.drain(limit_s)
        await self.preparation.close()

    async def _chunks(
        self, image: ImageSource | None, request: CaptionRequest, trace: Trace, priority: Priority
    ) -> AsyncGenerator[list[Chunk]]:
        """Yields the answer's chunks, as many at a time as arrive together. The last holds the usage."""
        answer = ChunkedAnswer(request.trigger)
        async with self._turn(image, trace, priority) as turn:
            asked = Asked(turn, request, encode_stream)
            await asked.prepare(is_last=True)
            async for attempt in Attempts(turn.seat, trace):
                with attempt as endpoint:
                    async with endpoint.client.stream(await asked.body(endpoint)) as received:
                        async for chunks in received:
                            attempt.commit()
                            if kept := answer.push(chunks):
                                yield kept
        trace.read(answer.prompt_tokens, answer.completion_tokens)
        trace.succeed(request.prompt, answer.text)
        self.captions_made += 1

    async def _whole(self, turn: Turn, request: CaptionRequest, started: float, *, is_last: bool) -> Answer:
        """Asks until there is a good answer, within the limits of `quality`."""
        gate = Gate(request, self._quality)
        while gate.pending is not None:
            try:
                answer = await self._once(turn, gate.pending, started, is_last=is_last)
            except CaptionError:
                # An answer that needs no more than its end taken off is better than none.
                if not gate.give_up():
                    raise
                break
            if flaws := gate.take(answer):
                turn.trace.reject(flaws)
            turn.trace.read(answer.prompt_tokens, answer.completion_tokens)
        answer = gate.result().triggered(request.trigger)
        turn.trace.succeed(request.prompt, answer.text)
        self.captions_made += turn.priority is not Priority.AHEAD  # `speculation` counts what it gives out
        return answer

    async def _once(self, turn: Turn, request: CaptionRequest, started: float, *, is_last: bool) -> Answer:
        # The image is dropped after the last request of a turn. A bad answer is rare enough for its image to
        # be prepared once more.
        asked = Asked(turn, request, encode)
        await asked.prepare(is_last=is_last)
        async for attempt in Attempts(turn.seat, turn.trace):
            with attempt as endpoint:
                completion = await endpoint.client.complete(await asked.body(endpoint))
                seconds = time.monotonic() - started
                answer = to_answer(completion, seconds=seconds, weights=endpoint.weights)
        return answer

    @contextlib.asynccontextmanager
    async def _turn(self, image: ImageSource | None, trace: Trace, priority: Priority) -> AsyncIterator[Turn]:
        """Waits for a turn, and for a place at an engine, and holds both while the context lasts."""
        with self.admission.at_work():
            async with self.admission.turn(trace, priority), contextlib.AsyncExitStack() as stack:
                with trace.stage("wait"):
                    seat = await stack.enter_async_context(taken(self.fleet, self._patience_s))
                yield Turn(seat, image, self.preparation, trace, priority)


class PendingAnswer:
    """An answer that is asked for once somebody awaits it, or iterates over its chunks.

    See `Captioner.ask`.
    """

    def __init__(
        self,
        captioner: Captioner,
        image: ImageSource | None,
        request: CaptionRequest,
        trace: Trace,
        priority: Priority,
    ) -> None:
        self._captioner = captioner
        self._asked = (image, request, trace, priority)

    def __await__(self) -> Generator[Any, None, Answer]:
        return self._whole().__await__()

    def __aiter__(self) -> AsyncGenerator[list[Chunk]]:
        return self._captioner._chunks(*self._asked)

    async def _whole(self) -> Answer:
        image, request, trace, priority = self._asked
        async with contextlib.aclosing(
            self._captioner.ask_each(image, [request], trace, priority)
        ) as answers:
            return await anext(answers)
