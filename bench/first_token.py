"""What does the service add to the time to first token? `python bench/first_token.py --engine-url URL`.

It asks a service and its engine that run already. The same greedy, streamed request with the same
prepared picture goes by turns to the engine itself and to the service's /v1, one at a time. It prints the
two medians, their ratio and their difference.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.request import CaptionRequest, question, to_arguments
from adapter.engine.client import EngineClient
from adapter.images.pixels import to_data_url
from bench.stage import prompt_book
from demo.scenes import Scene, draw

SIDE_PX = 384
Body = Callable[[int], dict[str, Any]]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    parser.add_argument("--engine-url", required=True, help="as the service's log says it, unix:/PATH")
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    client = EngineClient(arguments.engine_url, timeout_s=60)
    model = (await client.model()).id
    await client.close()
    book = prompt_book()
    rng = random.Random(1)
    pictures = [draw(Scene.random(rng), rng, (SIDE_PX, SIDE_PX)) for _ in range(arguments.requests)]
    request = CaptionRequest(
        question(book.prompt(PromptChoice(style="booru")), book.system_prompt),
        book.default_sampling.overridden(temperature=0.0),
    )

    def bare_body(number: int) -> dict[str, Any]:
        return to_arguments(request, to_data_url(pictures[number]).decode(), model) | {"stream": True}

    def body(number: int) -> dict[str, Any]:
        image = {"type": "image_url", "image_url": {"url": to_data_url(pictures[number], "png").decode()}}
        messages = [{"role": "user", "content": [image]}]
        return {"model": "joycaption:booru", "messages": messages, "stream": True, "temperature": 0}

    connector = aiohttp.UnixConnector(arguments.engine_url.removeprefix("unix:"))
    async with aiohttp.ClientSession(connector=connector) as engine, aiohttp.ClientSession() as service:
        seconds: dict[str, list[float]] = {"engine": [], "service": []}
        for number in range(arguments.requests):
            seconds["engine"].append(await first_token_s(engine, "http://engine", bare_body(number)))
            seconds["service"].append(await first_token_s(service, arguments.url, body(number)))
    medians = {name: statistics.median(values[10:]) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.1f} ms to the first token")
    added_ms = (medians["service"] - medians["engine"]) * 1000
    print(f"ratio {medians['service'] / medians['engine']:.2f}, added {added_ms:.1f} ms")


async def first_token_s(session: aiohttp.ClientSession, base: str, body: dict[str, Any]) -> float:
    """Gives the seconds to the first token of an answer, which is then read to its end."""
    started = time.perf_counter()
    async with session.post(f"{base}/v1/chat/completions", json=body) as response:
        received = b""
        while received.count(b'"content":"') < 2:  # the first is empty and tells the role
            received += await response.content.readany()
        elapsed = time.perf_counter() - started
        await response.read()
    return elapsed


if __name__ == "__main__":
    asyncio.run(main())
