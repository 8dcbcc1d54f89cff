"""The one way from an image to its caption: admission, image preparation, engine."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from openai.types.chat import ChatCompletion

from adapter.chat import Caption, CaptionRequest, to_arguments, to_caption
from adapter.config import Settings
from adapter.decoding.preparation import Preparation
from adapter.engine.client import Chunk, EngineClient, encode
from adapter.engine.launcher import Engine
from adapter.errors import (
    EngineBusyError,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    StoppingError,
)
from adapter.sources import ImageSource
from adapter.trace import Trace

# What no new try mends, whether or not the engine is there.
FINAL_ERRORS = (EngineRefusedError, EngineTimeoutError)


@dataclass(frozen=True)
class TimedCaption:
    """A caption and the seconds from its request to its text."""

    caption: Caption
    seconds: float


class Captioner:
    """Captions images on one engine. To be drained when done with.

    `capacity` is how many images can be admitted at one time, `admitted` how many are, `in_flight` how many
    of them have their turn. A request that was under way when the engine went away is sent once more when it
    is back, because captioning has no side effect; `patience_s` is how long it waits for that, by default
    `engine_timeout_s`.
    """

    def __init__(self, engine: Engine, settings: Settings, *, patience_s: float | None = None) -> None:
        self._engine = engine
        self._engine_wait_s = settings.engine_wait_s
        self._patience_s = settings.engine_timeout_s if patience_s is None else patience_s
        self._preparation = Preparation(settings)
        self._turns = asyncio.Semaphore(settings.max_in_flight)
        self.capacity = settings.max_in_flight + settings.max_queue
        self.admitted = 0
        self.in_flight = 0
        self._work: set[asyncio.Task[Any]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @contextlib.asynccontextmanager
    async def admit(self, images: int) -> AsyncIterator[None]:
        """Room for `images` captions while the context lasts.

        Raises StoppingError, EngineBusyError when too many wait already, and EngineNotReadyError; the last
        only after `engine_wait_s` when the engine was ready before and may come back.
        """
        if self._stopping:
            raise StoppingError
        if self.admitted + images > self.capacity:
            raise EngineBusyError(f"{self.admitted} images wait already; try again soon")
        self.admitted += images
        try:
            with self._at_work():
                await self._engine.available(self._engine_wait_s)
            yield
        finally:
            self.admitted -= images

    async def inspect(self, image: ImageSource) -> None:
        """Where `image` would have to wait for its turn: raises at once what its file and header tell.

        Where it wouldn't, `caption` is as quick to say so.
        """
        if self._turns.locked():
            await self._preparation.inspect(image)

    async def caption(self, request: CaptionRequest, trace: Trace | None = None) -> TimedCaption:
        """The caption of one admitted image. Raises the image, file and engine errors of `errors`."""
        async with contextlib.aclosing(self.captions([request], trace)) as captions:
            return await anext(captions)

    async def captions(
        self, requests: Sequence[CaptionRequest], trace: Trace | None = None
    ) -> AsyncGenerator[TimedCaption]:
        """Those of several requests about the same image, each as soon as it is there.

        The image is prepared once, and one request follows the other, so that the engine has the image's part
        of the prompt in its prefix cache. Raises as `caption`; what was given by then stays good.
        """
        trace = trace or Trace()
        started = time.monotonic()
        async with self._turn(trace) as client:
            image_url = await self._image_url(requests[0].image, client, trace)
            for request in requests:
                body = encode(to_arguments(request, image_url, self._engine.model))
                if request is requests[-1]:
                    image_url = None  # it is large
                caption = to_caption(await self._ask(body, trace), request.trigger)
                trace.succeed(request.prompt, caption.text, caption.prompt_tokens, caption.completion_tokens)
                yield TimedCaption(caption, time.monotonic() - started)
                started = time.monotonic()

    async def complete(self, request: CaptionRequest, trace: Trace | None = None) -> ChatCompletion:
        """The engine's whole answer to an admitted request. Raises as `caption`."""
        trace = trace or Trace()
        async with self._turn(trace) as client:
            image_url = await self._image_url(request.image, client, trace)
            body = encode(to_arguments(request, image_url, self._engine.model))
            del image_url  # it is large
            completion = await self._ask(body, trace)
            caption = to_caption(completion, request.trigger)
            trace.succeed(request.prompt, caption.text, caption.prompt_tokens, caption.completion_tokens)
            return completion

    @contextlib.asynccontextmanager
    async def stream(
        self, request: CaptionRequest, trace: Trace | None = None
    ) -> AsyncIterator[AsyncIterator[list[Chunk]]]:
        """The engine's answer to an admitted request as it is written, see `EngineClient.stream`.

        Its errors come while it is read. Who reads it tells `trace` of the caption.
        """
        trace = trace or Trace()
        async with self._turn(trace) as client:
            image_url = await self._image_url(request.image, client, trace)
            arguments = to_arguments(request, image_url, self._engine.model)
            async with contextlib.aclosing(self._chunks(arguments, trace)) as chunks:
                yield chunks

    async def drain(self, limit_s: float) -> None:
        """Refuses new images, waits up to `limit_s` for those under way, and gives up the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit_s)
        for task in self._work:
            self._given_up.add(task)
            task.cancel()
        await self._preparation.close()

    # --- Turns ----------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _turn(self, trace: Trace) -> AsyncIterator[EngineClient]:
        """The engine's client, when this task is among those that may use it, and the engine is there."""
        with self._at_work():
            with trace.stage("wait"):
                await self._turns.acquire()
            self.in_flight += 1
            try:
                yield await self._available(trace)
            finally:
                self.in_flight -= 1
                self._turns.release()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """`drain` waits for this task; if it gives it up, that raises StoppingError, not a cancellation."""
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._given_up:
                raise
            task.uncancel()
            raise StoppingError from None
        finally:
            self._given_up.discard(task)
            self._work.discard(task)
            if not self._work:
                self._idle.set()

    # --- The engine -----------------------------------------------------------------------------------

    async def _image_url(
        self, image: ImageSource | None, client: EngineClient, trace: Trace
    ) -> orjson.Fragment | None:
        if image is None:
            return None
        return await self._preparation.data_url(image, "bmp" if client.is_local else "png", trace)

    async def _ask(self, body: bytes, trace: Trace) -> ChatCompletion:
        again = True
        while True:
            client = await self._available(trace)
            with trace.stage("engine"):
                try:
                    return await client.complete(body)
                except EngineError as error:
                    if not (again and await self._is_lost(client, error)):
                        raise
                    again = False

    async def _chunks(self, arguments: dict[str, Any], trace: Trace) -> AsyncGenerator[list[Chunk]]:
        """As long as nothing was given, the answer may begin anew."""
        again = True
        while True:
            client = await self._available(trace)
            with trace.stage("engine"):
                try:
                    async with client.stream(arguments) as received:
                        async for chunks in received:
                            again = False
                            yield chunks
                        return
                except EngineError as error:
                    if not (again and await self._is_lost(client, error)):
                        raise
                    again = False

    async def _available(self, trace: Trace) -> EngineClient:
        with trace.stage("wait"):
            return await self._engine.available(self._patience_s)

    async def _is_lost(self, client: EngineClient, error: EngineError) -> bool:
        """Whether the engine is gone, rather than at fault with this request."""
        return not isinstance(error, FINAL_ERRORS) and await self._engine.lost(client)
