"""A stand-in for vLLM's HTTP server, for faults that the real one doesn't show on demand.

It never proves that captioning works: `e2e` does. The attributes of `FakeEngine` decide what it answers, and
tests change them while it runs.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

IMAGE_TOKEN = 7
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def completion(text: str | None, finish_reason: str | None = "stop") -> dict[str, Any]:
    """Gives a chat completion as vLLM sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
    }


def image_url(body: dict[str, Any]) -> str:
    """Gives the URL of the request's image, empty where it has none."""
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                url: str = part["image_url"]["url"]
                return url
    return ""


def prompt(body: dict[str, Any]) -> str:
    """Gives what was said last, empty where nothing was."""
    content = body["messages"][-1]["content"] if body["messages"] else ""
    return content if isinstance(content, str) else str(content[-1].get("text", ""))


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """Gives one piece of a streamed chat completion as vLLM sends it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake",
        "choices": [choice | {"token_ids": None}],
    }


def event(body: dict[str, Any]) -> bytes:
    """Gives a server-sent event."""
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@dataclass
class FakeEngine:
    """The server: what it does, and what it was asked.

    `answer` replaces its own answer to a chat completion. It tells images apart only while it `sees`.
    """

    healthy: bool = True
    sees: bool = True
    text_of_tokens: str = "chat"
    tokens: list[int] = field(default_factory=lambda: [1, *[IMAGE_TOKEN] * 64, 2])
    answer: Answer | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    metrics: str = ""
    under_way: int = 0
    most_under_way: int = 0
    aborted: int = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/detokenize", self._detokenize)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    async def start(self) -> TestServer:
        """Starts the server on a free port."""
        server = TestServer(self.app())
        await server.start_server()
        return server

    async def begin_stream(self, request: web.Request) -> web.StreamResponse:
        """Begins a stream and sends its first chunk."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event(chunk({"role": "assistant", "content": ""})))
        return response

    async def _stream(self, request: web.Request, text: str) -> web.StreamResponse:
        response = await self.begin_stream(request)
        for letter in text:
            await response.write(event(chunk({"content": letter})))
        await response.write(event(chunk({"content": ""}, "stop")))
        usage = completion("")["usage"]
        await response.write(event(chunk({}) | {"choices": [], "usage": usage}) + b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if self.healthy else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=self.metrics)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "fake", "max_model_len": 4096}]})

    async def _tokenize(self, request: web.Request) -> web.Response:
        return web.json_response({"count": len(self.tokens), "tokens": self.tokens})

    async def _detokenize(self, request: web.Request) -> web.Response:
        return web.json_response({"prompt": self.text_of_tokens})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.answer is not None:
                return await self.answer(request)
            digest = hashlib.sha256(image_url(body).encode() if self.sees else b"").hexdigest()[:8]
            text = f" picture, {digest}, frame \n" if " tags" in prompt(body) else f" a picture {digest} \n"
            if body.get("stream"):
                return await self._stream(request, text)
            return web.json_response(completion(text))
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.under_way -= 1
