"""The HTTP client to vLLM: a bare aiohttp session.

The bodies come from `caption.request`; `client_errors` makes ours of aiohttp's errors and the engine's
statuses.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError

from adapter.caption.answer import Chunk, Completion
from adapter.engine.client_errors import as_ours, refusal
from adapter.engine.load import Load
from adapter.errors import EngineError
from adapter.policy import is_shortage

CONNECT_TIMEOUT_S = 5.0
CLOSE_LIMIT_S = 1.0
LARGE_ANSWER_BYTES = 2**18  # beyond it parsing would hold up other requests for milliseconds
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
EVENT_END = b"\n\n"
EVENT_DATA = b"data:"
LAST_EVENT = b"[DONE]"
T = TypeVar("T", bound=BaseModel)


class ServedModel(BaseModel):
    """What the engine serves: `id` is its name in requests, `root` what it was loaded from."""

    id: str
    root: str | None = None


class _Models(BaseModel):
    data: list[ServedModel]


class _Tokens(BaseModel):
    tokens: list[int]


class _Text(BaseModel):
    prompt: str


class EngineClient:
    """A pool of connections to one engine. `url` is `http(s)://HOST:PORT` or `unix:/PATH`. Must be closed.

    `is_local` is true where the engine runs on this machine, with no network in between.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self.is_local = parts.scheme == "unix" or parts.hostname in LOCAL_HOSTS
        # No limit on connections: how many requests are under way is the captioner's decision.
        if parts.scheme == "unix":
            connector: aiohttp.BaseConnector = aiohttp.UnixConnector(parts.path, limit=0)
            self._base = "http://engine"
        else:
            connector = aiohttp.TCPConnector(limit=0)
            self._base = url.removesuffix("/v1")
        self._under_way: set[asyncio.Timeout] = set()
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Closes all connections. What is under way, or asked afterwards, raises EngineUnavailableError."""
        now = asyncio.get_running_loop().time()
        for scope in self._under_way:
            scope.reschedule(now)
        # A connection that still has something to send stays open until its engine takes that, or is gone.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._session.close(), CLOSE_LIMIT_S)

    @contextlib.asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        """Ends what is done in the context when the client is closed. Maps aiohttp's errors to ours."""
        with as_ours():
            try:
                async with asyncio.timeout(None) as scope:
                    self._under_way.add(scope)
                    yield
            except TimeoutError as error:
                if self._session.closed or scope.expired():
                    raise aiohttp.ClientConnectionError from error
                raise
            finally:
                self._under_way.discard(scope)

    async def healthy(self, timeout_s: float) -> bool:
        """Tells whether `/health` answers 200 within `timeout_s`.

        While this process is short of descriptors it can't be asked, and the answer is yes.
        """
        if self._session.closed:
            return False
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.get(f"{self._base}/health", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError) as error:
            return isinstance(error, OSError) and is_shortage(error)

    async def load(self) -> Load:
        """Asks how busy the engine is; one that doesn't tell counts as idle. Raises EngineError."""
        return Load.of(await self._ask("GET", "/metrics"))

    async def model(self) -> ServedModel:
        """Asks what is served. Raises EngineError, also where nothing is."""
        models = _parse(_Models, await self._ask("GET", "/v1/models"))
        if not models.data:
            raise EngineError("The engine serves no model")
        return models.data[0]

    async def tokenize(self, model: str, messages: list[dict[str, Any]]) -> list[int]:
        """Gives the token ids of a conversation as the model gets them, image tokens expanded."""
        body = encode({"model": model, "messages": messages})
        return _parse(_Tokens, await self._ask("POST", "/tokenize", body)).tokens

    async def detokenize(self, model: str, ids: list[int]) -> str:
        """Gives the text of token ids."""
        answer = await self._ask("POST", "/detokenize", encode({"model": model, "tokens": ids}))
        return _parse(_Text, answer).prompt

    async def complete(self, body: bytes) -> Completion:
        """Asks for one chat completion.

        `body` is what `encode` makes of its arguments: the image in it is large, and while hundreds of
        requests wait there should be no second copy of each. Raises EngineError, and InvalidRequestError for
        a prompt that doesn't fit the model's context. vLLM itself keeps `max_tokens` to what the prompt
        leaves.
        """
        answer = await self._ask("POST", "/v1/chat/completions", body)
        if len(answer) > LARGE_ANSWER_BYTES:
            return await asyncio.to_thread(_parse, Completion, answer)
        return _parse(Completion, answer)

    @contextlib.asynccontextmanager
    async def stream(self, body: bytes) -> AsyncIterator[AsyncIterator[list[Chunk]]]:
        """Asks for one chat completion as it is written, and gives as many chunks at a time as arrive
        together.

        `body` is made by `encode_stream`. The last chunk holds the usage. Chunks stay plain dicts: a checked
        model for each of thousands per second costs more than all else that is done with them. Leaving the
        context ends the engine's work. Raises as `complete` does, at the beginning and during the iteration.
        """
        async with self._until_closed(), await self._send("POST", "/v1/chat/completions", body) as response:
            if response.status != 200:
                raise refusal(response.status, await response.read())
            yield _chunks(response.content)

    async def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        async with self._until_closed(), await self._send(method, path, data) as response:
            answer = await response.read()
        if response.status != 200:
            raise refusal(response.status, answer)
        return answer

    async def _send(self, method: str, path: str, data: bytes | None) -> aiohttp.ClientResponse:
        if self._session.closed:  # another engine's client has taken its place
            raise aiohttp.ClientConnectionError
        headers = {"Content-Type": "application/json"} if data is not None else None
        url = self._base + path
        try:
            return await self._session.request(method, url, data=data, headers=headers)
        except aiohttp.ClientConnectorError:
            raise  # there was no connection
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError):
            # A server may close an idle connection in the moment that a request goes out on it, also in the
            # middle of its body. Captioning has no side effect, so the request is simply sent again.
            if self._session.closed:
                raise
            return await self._session.request(method, url, data=data, headers=headers)


def encode(arguments: Mapping[str, Any]) -> bytes:
    """Gives the body of a request."""
    return orjson.dumps(arguments)


def encode_stream(arguments: Mapping[str, Any]) -> bytes:
    """Gives the body of a request for a stream that ends with the usage."""
    return encode({**arguments, "stream": True, "stream_options": {"include_usage": True}})


async def _chunks(content: aiohttp.StreamReader) -> AsyncIterator[list[Chunk]]:
    """Gives the chunks of a server-sent event stream up to its `[DONE]`."""
    rest = b""
    with as_ours():
        async for received in content.iter_any():
            *events, rest = (rest + received).split(EVENT_END)
            data = [event.removeprefix(EVENT_DATA).strip() for event in events]
            if done := LAST_EVENT in data:
                data.remove(LAST_EVENT)
            if data:
                yield [_chunk(event) for event in data]
            if done:
                return
    raise EngineError("The engine's answer broke off")


def _chunk(event: bytes) -> Chunk:
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError as error:
        raise EngineError("The engine's answer can't be read") from error
    if not isinstance(chunk, dict) or not isinstance(chunk.get("choices"), list):
        # What vLLM sends when it fails in the middle is an error in place of a chunk.
        raise EngineError("The engine failed at this request") from RuntimeError(event.decode()[:2000])
    return chunk


def _parse(kind: type[T], answer: bytes) -> T:
    try:
        return kind.model_validate_json(answer)
    except ValidationError as error:
        raise EngineError("The engine's answer can't be read") from error
