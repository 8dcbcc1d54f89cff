"""An engine that answers at once, to measure what the rest costs: `python bench/instant_engine.py SOCKET`.

It speaks as much of vLLM's HTTP as the service asks for, on a Unix socket, and looks at nothing of a
request but its head and its end, so that it costs next to nothing itself. Its answer always says the
same; with --echo it is the prompt, and `/asked-twice` tells how many prompts came more than once. With
--delay-s every answer takes that long, except to the self-check, and with --at-once so many are made at one
time while the others wait, as `/metrics` tells. With --broken 0.03 that share of the answers
is bad, in all the ways in which captions are; `/asked` tells how many answers there were.
"""

import argparse
import asyncio
import random
import re
import sys
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from itertools import count

import orjson

TEXT = "a picture of something that is worth about as many words as a caption has"
# What a model says instead, with the reason to end that vLLM gives.
GOOD_BEGINNING = "A photograph of a red fox that stands in deep snow, in front of bare birches."
BROKEN = (
    ("", "stop"),
    (f"{GOOD_BEGINNING} Its thick fur is lit from the", "length"),
    (f"{GOOD_BEGINNING}{' The sky is grey and cold.' * 12}", "repetition"),
    (f"{GOOD_BEGINNING}{' and snow on the ground' * 9}.", "stop"),
    ("I'm sorry, but I can't help with describing this image.", "stop"),
    (f"{GOOD_BEGINNING}\n\nASSISTANT: Here is the revised caption.", "stop"),
    (f"{GOOD_BEGINNING}<|eot_id|>", "stop"),
    ("A\u0120photograph\u0120of\u0120a\u0120red\u0120fox\u0120in\u0120snow.", "stop"),
    ("一只红狐站在深雪中，背景是光秃秃的白桦树，天空灰暗而寒冷。", "stop"),
    ("1girl, solo, long_hair, blue_eyes, blue_hair, blue_dress, smile, outdoors", "stop"),
)
TOKENS = [1, *[7] * 64, 2]
BUFFER_BYTES = 2**18
TAIL_BYTES = 4096  # of a body: the prompt and the sampling values stand behind the image
HEAD = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r\n(?:.*\r\n)*?content-length: (\d+)\r\n", re.IGNORECASE)
PROMPT = re.compile(rb'"text":"([^"]*)"')
USAGE = {"prompt_tokens": 100, "completion_tokens": 16, "total_tokens": 116}
MODEL = "instant"
MODELS = {"object": "list", "data": [{"id": MODEL, "root": MODEL}]}


class Asked:
    """Holds what all connections share."""

    def __init__(self, *, echo: bool, delay_s: float, broken: float = 0.0, at_once: int = 0) -> None:
        self.echo = echo
        self.at_once = at_once or sys.maxsize
        self.running = 0
        self.waiting: deque[Callable[[], None]] = deque()
        self.delay_s = delay_s
        self.broken = broken
        self.answers = 0
        self.chance = random.Random(16)
        self.prompts: Counter[bytes] = Counter()
        self.checks = count()

    def after_delay(self, send: Callable[[], None]) -> None:
        """Sends an answer when it would be made."""
        if self.running >= self.at_once:
            self.waiting.append(send)
            return
        self.running += 1
        asyncio.get_running_loop().call_later(self.delay_s, self._end, send)

    def _end(self, send: Callable[[], None]) -> None:
        self.running -= 1
        if self.waiting:
            self.after_delay(self.waiting.popleft())
        send()

    def metrics(self) -> str:
        """Tells how busy it is, as vLLM does."""
        return f"vllm:num_requests_running {self.running}\nvllm:num_requests_waiting {len(self.waiting)}\n"


class Connection(asyncio.BufferedProtocol):
    """Serves one keep-alive connection, one request at a time."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._head = b""
        self._path = b""
        self._missing = 0  # bytes of the body
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if self._missing:
            self._take_body(0, nbytes)
            return
        self._head += self._view[:nbytes]
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._head[: end + 2], self._head[end + 4 :]
        self._head = b""
        self._path = head.split(b" ", 2)[1]
        found = HEAD.match(head)
        self._missing = int(found.group(3)) if found else 0
        self._tail = b""
        if self._missing:
            self._buffer[: len(body)] = body
            self._take_body(0, len(body))
        else:
            self._answer()

    def _take_body(self, start: int, end: int) -> None:
        self._missing -= end - start
        if self._missing < TAIL_BYTES:
            self._tail = self._tail + self._view[max(start, end - TAIL_BYTES) : end]
        if not self._missing:
            self._answer()

    def _answer(self) -> None:
        answers = {
            b"/v1/models": MODELS,
            b"/tokenize": {"count": len(TOKENS), "tokens": TOKENS},
            b"/detokenize": {"prompt": "chat"},
            b"/asked-twice": sum(number > 1 for number in self._asked.prompts.values()),
            b"/asked": self._asked.answers,
        }
        if self._path == b"/v1/chat/completions":
            is_check = b'"max_tokens":24' in self._tail  # what the self-check of sight asks for
            text, finish_reason = self._text(is_check=is_check), "stop"
            if not is_check:
                self._asked.answers += 1
                if self._asked.broken and self._asked.chance.random() < self._asked.broken:
                    text, finish_reason = self._asked.chance.choice(BROKEN)
            is_stream = b'"stream":true' in self._tail
            answer = stream(text) if is_stream else reply(completion(text, finish_reason))
            if self._asked.delay_s and not is_check:
                self._asked.after_delay(partial(self._transport.write, answer))
                return
        elif self._path == b"/metrics":
            answer = plain(self._asked.metrics())
        else:
            answer = reply(answers.get(self._path, {}))
        self._transport.write(answer)

    def _text(self, *, is_check: bool) -> str:
        if is_check:  # it wants another answer to another image
            return f"{TEXT} {next(self._asked.checks)}"
        if not self._asked.echo:
            return TEXT
        prompt = PROMPT.findall(self._tail)[-1]
        self._asked.prompts[prompt] += 1
        return str(prompt.decode())


def completion(text: str, finish_reason: str = "stop") -> dict[str, object]:
    """Gives a whole chat completion with that text."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [choice | {"logprobs": None}],
        "usage": USAGE,
    }


def reply(body: object) -> bytes:
    """Gives `body` as an HTTP response."""
    data = orjson.dumps(body)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(data),
        data,
    )


def plain(text: str) -> bytes:
    """Gives a text as an HTTP response."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
    return f"{head}{len(text)}\r\n\r\n{text}".encode()


def stream(text: str) -> bytes:
    """Gives a streamed chat completion with that text as an HTTP response."""
    events = []
    for delta, finish_reason in (({"role": "assistant", "content": text}, None), ({"content": ""}, "stop")):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        events.append(orjson.dumps({"id": "chatcmpl-1", "choices": [choice]}))
    events += [orjson.dumps({"choices": [], "usage": USAGE}), b"[DONE]"]
    body = b"".join(b"data: %s\n\n" % event for event in events)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--broken", type=float, default=0.0)
    parser.add_argument("--at-once", type=int, default=0)
    given = parser.parse_args()
    asked = Asked(echo=given.echo, delay_s=given.delay_s, broken=given.broken, at_once=given.at_once)
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Connection(asked), given.socket, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
