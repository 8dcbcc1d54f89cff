"""Captions images before they are asked for, where clients send them one at a time.

`prediction` says which ones, and `guesses` makes and keeps the captions.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from adapter.caption.answer import Answer
from adapter.caption.request import CaptionRequest
from adapter.captioner.answering import Captioner
from adapter.captioner.guesses import Guess, Guesses, Key
from adapter.captioner.prediction import SILENCE_S, Course, Listing, Stream, explaining
from adapter.images.neighbours import list_images, uncaptioned
from adapter.images.sources import ImageFile
from adapter.trace import Trace

MAX_CLIENTS = 64  # that are followed at one time


@dataclass(eq=False)
class Client:
    """A folder, with a slash at its end, and what is asked about its images.

    `stream` says what is foreseen of it. `looking` looks into the folder, and `silence` waits for the moment
    from which on the client counts as gone.
    """

    folder: str
    request: CaptionRequest
    stream: Stream
    under_way: int = 0
    looking: asyncio.Task[None] | None = None
    silence: asyncio.TimerHandle | None = None

    def be_heard(self) -> None:
        """Ends the silence."""
        if self.silence is not None:
            self.silence.cancel()


class Speculation:
    """Answers requests about image files, by guesses where they were right. Must be closed.

    Up to `max_ahead` images of each client are captioned ahead, 0 for none, from below `roots` only, or from
    anywhere if None. See `Guesses` for `on_hit` and `on_miss`.

    Whoever asks here has shown the service's one key, where there is one, and that key could have asked for
    each guess. Should there be several keys once, `Client` has to hold whose requests it follows.
    """

    def __init__(
        self,
        captioner: Captioner,
        roots: Sequence[str] | None,
        max_ahead: int,
        on_hit: Callable[[], None] = lambda: None,
        on_miss: Callable[[int], None] = lambda tokens: None,
    ) -> None:
        self._captioner = captioner
        self._roots = roots
        self._max_ahead = max_ahead
        self._clients: OrderedDict[tuple[str, CaptionRequest], Client] = OrderedDict()
        self._guesses = Guesses(captioner, roots, on_hit, on_miss)

    async def ask(self, path: str, request: CaptionRequest, trace: Trace) -> Answer:
        """Gives what `Captioner.ask` gives about the admitted image at `path`. Raises as it does."""
        asked = self._captioner.ask(ImageFile(path), request, trace)
        if not self._max_ahead:
            return await asked
        cut = path.rfind("/") + 1
        key = Key(path[:cut], path[cut:], request)
        async with self._followed(key):
            answer = await self._guesses.give(key, trace)
            return answer if answer is not None else await asked

    async def close(self) -> None:
        """Ends all that nobody has asked for, and guesses no more."""
        self._max_ahead = 0
        for client in self._clients.values():
            client.be_heard()
            client.stream.close()
        self._clients.clear()
        await self._guesses.close()

    @contextlib.asynccontextmanager
    async def _followed(self, key: Key) -> AsyncIterator[None]:
        """Foresees what comes after the request of the context, and captions it meanwhile."""
        client, guess = self._client(key), self._guesses.get(key)
        client.be_heard()
        if client.under_way:  # it doesn't wait for one answer before it asks for the next
            self._leave(client, but=guess)
        client.under_way += 1
        is_late = guess is not None and guess.is_under_way
        client.stream.ask(key.name, time.monotonic(), is_late=is_late)
        if not client.stream.size:
            self._guesses.end_running(client.stream, but=guess)
        self._look_ahead(client)
        try:
            yield
        except asyncio.CancelledError:
            self._leave(client)
            raise
        finally:
            client.under_way -= 1
            client.stream.rest(time.monotonic())
            if not client.under_way and self._max_ahead:
                client.silence = asyncio.get_running_loop().call_later(SILENCE_S, self._leave, client)
                self._look_ahead(client)

    def _client(self, key: Key) -> Client:
        place = (key.folder, key.request)
        client = self._clients.setdefault(place, Client(*place, Stream(self._max_ahead)))
        self._clients.move_to_end(place)
        if len(self._clients) > MAX_CLIENTS:
            self._leave(self._clients.popitem(last=False)[1])
        return client

    def _leave(self, client: Client, but: Guess | None = None) -> None:
        """Takes a client for one that has left. What is captioned already is kept for a while."""
        client.be_heard()
        client.stream.close()
        self._guesses.end_running(client.stream, but)

    def _look_ahead(self, client: Client) -> None:
        """Has captioned what is foreseen."""
        is_wanted = client.stream.wants_listing or client.stream.next_guess() is not None
        if is_wanted and self._max_ahead and client.looking is None and self._guesses.may_begin:
            client.looking = self._guesses.spawn(self._look(client))

    async def _look(self, client: Client) -> None:
        stream, guesses = client.stream, self._guesses
        try:
            if stream.wants_listing:
                course = await asyncio.to_thread(self._course, client.folder, stream.history)
                if stream.wants_listing:
                    stream.open(course)
            while guesses.may_begin and (name := stream.next_guess()) is not None:
                key = Key(client.folder, name, client.request)
                if guesses.claim(key, stream):  # it was kept
                    stream.guess(name)
                    continue
                version = await asyncio.to_thread(uncaptioned, client.folder, name, self._roots)
                if stream.next_guess() != name or not guesses.may_begin:
                    continue  # things have changed meanwhile
                if version is None:
                    stream.pass_over(name)
                else:
                    guess = guesses.begin(key, version, stream)
                    guess.task.add_done_callback(lambda _: self._look_ahead(client))  # a turn is free again
                    stream.guess(name)
        finally:
            client.looking = None

    def _course(self, folder: str, history: Sequence[str]) -> Course | None:
        """Finds out where a client goes. It may take a second, so it is meant for a thread."""
        found = list_images(folder, self._roots)
        return explaining(history, Listing(found.images, found.unsuited))
