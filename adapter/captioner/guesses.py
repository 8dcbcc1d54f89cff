"""Captions that are made before anybody has asked for them: made, kept for a while, given once, or dropped.

A guess is an answer like any other, at the lowest priority: it begins only where a turn is free and an engine
is ready, it makes way for whatever was asked for, and it wakes nothing and keeps nothing awake.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.caption.answer import Answer
from adapter.caption.request import CaptionRequest
from adapter.captioner.answering import Captioner
from adapter.captioner.prediction import Stream
from adapter.captioner.priority import Priority
from adapter.errors import CaptionError
from adapter.images.neighbours import Version, version_of
from adapter.images.sources import ImageFile
from adapter.trace import Trace

MAX_KEPT = 1000  # captions
KEPT_S = 600.0  # for a client that comes back after a pause

log = logging.getLogger("adapter.guesses")


@dataclass(frozen=True)
class Key:
    """What a guess answers: a file, and all that is asked about it, a seed of the request's own included.

    `folder` ends with a slash.
    """

    folder: str
    name: str
    request: CaptionRequest

    @property
    def path(self) -> str:
        """The file's path."""
        return self.folder + self.name


@dataclass(eq=False)
class Guess:
    """A caption that nobody has asked for so far, of one version of a file. `stream` foresaw it."""

    key: Key
    version: Version
    stream: Stream
    trace: Trace = field(default_factory=Trace)
    task: asyncio.Task[Answer | None] = field(init=False)
    expiry: asyncio.TimerHandle = field(init=False)

    @property
    def is_under_way(self) -> bool:
        """Whether its caption isn't there yet."""
        return not self.task.done()


class Guesses:
    """The guesses of one service. Must be closed.

    `on_hit` is called for each one that was asked for and given, and `on_miss` for each other one, with the
    tokens that it took. Images are read from below `roots` only, or from anywhere if None.
    """

    def __init__(
        self,
        captioner: Captioner,
        roots: Sequence[str] | None,
        on_hit: Callable[[], None],
        on_miss: Callable[[int], None],
    ) -> None:
        self._captioner = captioner
        self._roots = roots
        self._on_hit, self._on_miss = on_hit, on_miss
        self._guesses: OrderedDict[Key, Guess] = OrderedDict()  # the oldest first
        self._begun: dict[Guess, None] = {}  # those of them whose captions aren't there yet, or just came
        self._tasks: set[asyncio.Task[Any]] = set()
        captioner.admission.make_way = self._make_way
        captioner.fleet.listen(self._heed_engines)

    @property
    def may_begin(self) -> bool:
        """Whether a guess would take nothing from anybody."""
        has_room = len(self._guesses) < MAX_KEPT or self._unforeseen() is not None
        return has_room and self._has_turn

    def get(self, key: Key) -> Guess | None:
        """Gives the guess about `key`, if there is one."""
        return self._guesses.get(key)

    def claim(self, key: Key, stream: Stream) -> bool:
        """Tells whether there is a guess about `key`, which `stream` foresees from now on."""
        guess = self._guesses.get(key)
        if guess is not None:
            guess.stream = stream
        return guess is not None

    def begin(self, key: Key, version: Version, stream: Stream) -> Guess:
        """Begins a guess about this version of a file, in place of an old one where there are too many."""
        if len(self._guesses) >= MAX_KEPT and (old := self._unforeseen()) is not None:
            self._drop(old)
        guess = Guess(key, version, stream)
        guess.task = self.spawn(self._make(guess))
        guess.expiry = asyncio.get_running_loop().call_later(KEPT_S, self._drop, guess)
        guess.task.add_done_callback(lambda _: self._begun.pop(guess, None))
        self._guesses[key] = guess
        self._begun[guess] = None
        return guess

    async def give(self, key: Key, trace: Trace) -> Answer | None:
        """Gives the answer to a request once, None where it has to be asked for. Raises as `at_work` does."""
        guess = self._take(key)
        if guess is None:
            return None
        answer = None
        try:
            # What gives up requests gives up this one, and the service's end waits for it.
            with self._captioner.admission.at_work():
                answer = await self._answer(guess)
        finally:
            guess.task.cancel()
            if answer is None:
                self._on_miss(guess.trace.completion_tokens)
        if answer is None:
            return None
        self._on_hit()
        trace.adopt(guess.trace)
        trace.succeed(key.request.prompt, answer.text)
        self._captioner.captions_made += 1
        return answer

    def end_running(self, stream: Stream | None = None, but: Guess | None = None) -> None:
        """Ends the guesses that are under way, of one stream or of all."""
        for guess in list(self._begun):
            if guess.is_under_way and stream in (None, guess.stream) and guess is not but:
                self._drop(guess)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task that `close` ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Ends all that nobody has asked for."""
        ended = self._tasks.copy()
        for guess in list(self._guesses.values()):
            self._drop(guess)
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)

    @property
    def _has_turn(self) -> bool:
        return self._captioner.admission.has_free_turn and self._captioner.fleet.ready_count > 0

    def _unforeseen(self) -> Guess | None:
        """Gives the oldest guess that nobody is about to ask for."""
        guesses = self._guesses.values()
        return next((guess for guess in guesses if guess.key.name not in guess.stream.guesses), None)

    async def _make(self, guess: Guess) -> Answer | None:
        """Gives the caption, None where there is none: then the request for it finds out why."""
        if not self._has_turn:
            return None
        image = ImageFile(guess.key.path)
        try:
            return await self._captioner.ask(image, guess.key.request, guess.trace, Priority.AHEAD)
        except CaptionError:
            return None

    async def _answer(self, guess: Guess) -> Answer | None:
        """Waits for the caption. Gives None where file or model have changed, or it would take long."""
        key = guess.key
        version = await asyncio.to_thread(version_of, key.folder, key.name, self._roots)
        if version != guess.version:
            return None
        if not await self._is_computed(guess):
            guess.stream.miss()
            self.end_running(guess.stream)
            return None
        await asyncio.wait({guess.task})
        answer = None if guess.task.cancelled() else guess.task.result()
        endpoints = (engine.endpoint for engine in self._captioner.fleet.engines)
        weights = {endpoint.weights for endpoint in endpoints if endpoint is not None}
        return answer if answer is not None and answer.weights in weights else None

    async def _is_computed(self, guess: Guess) -> bool:
        """Tells whether the guess doesn't wait at the engine: there it would stand behind all others."""
        if not guess.is_under_way:
            return True
        loading = asyncio.create_task(self._captioner.fleet.load())
        try:
            await asyncio.wait({guess.task, loading}, return_when=asyncio.FIRST_COMPLETED)
            if not guess.is_under_way:
                return True
            load = loading.result()
            return load is None or not load.waiting
        finally:
            loading.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("reading ahead failed", exc_info=bug)

    def _make_way(self) -> None:
        """Ends the youngest guess that is under way: somebody waits for its turn."""
        youngest = next((guess for guess in reversed(self._begun) if guess.is_under_way), None)
        if youngest is not None:
            self._drop(youngest)

    def _heed_engines(self) -> None:
        """Ends all guesses under way where no engine is ready: they would wait for one, or wake it."""
        if not self._captioner.fleet.ready_count:
            self.end_running()

    def _take(self, key: Key) -> Guess | None:
        guess = self._guesses.pop(key, None)
        if guess is not None:
            guess.expiry.cancel()
            self._begun.pop(guess, None)
            self._tasks.discard(guess.task)  # it is its request's now, which the service's end may wait for
        return guess

    def _drop(self, guess: Guess) -> None:
        """Ends a guess that nobody has asked for."""
        self._take(guess.key)
        guess.task.cancel()
        guess.stream.forget(guess.key.name)
        self._on_miss(guess.trace.completion_tokens)
