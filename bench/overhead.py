"""What does the service cost beside the engine? `python bench/overhead.py [--quick]`.

The engine answers at once, and the pictures are 384 x 384 PNG files of the demonstration's scenes. It
measures requests/s, and the service's CPU for each request, through `/caption`, `/batch_caption` and
`/v1` with 64 in flight; then, at 50 requests/s, how much latency the service adds to the same prepared
request sent to the engine itself, and how much it adds to the time to first token of a stream. Load
generator, service and engine share the machine's cores.
"""

import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, UnixConnector

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.request import CaptionRequest, question, to_arguments
from adapter.images.pixels import prepare, to_data_url
from adapter.images.sources import ImageLimits
from bench.stage import (
    Service,
    arguments,
    cpu_s,
    draw_scenes,
    instant_engine,
    keep_in_flight,
    numbers_for,
    percentile,
    prompt_book,
    record,
    service,
)

PICTURES = 256
IN_FLIGHT = 64
RATE = 50.0
JSON = {"Content-Type": "application/json"}
Ask = Callable[[int], Awaitable[float]]


def main() -> None:
    given = arguments(__doc__, seconds=0.0)
    seconds = given.seconds or (6.0 if given.quick else 20.0)
    with tempfile.TemporaryDirectory() as folder, instant_engine(Path(folder)) as engine_url:
        paths = draw_scenes(Path(folder), PICTURES)
        with service(engine_url) as running, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(running, engine_url, paths, seconds))
    record(given.results, "overhead", figures)


async def measure(running: Service, engine_url: str, paths: list[Path], seconds: float) -> dict[str, float]:
    """Gives the rates, the CPU per image, and the latencies that the service adds."""
    book = prompt_book()
    pictures = [path.read_bytes() for path in paths]
    figures: dict[str, float] = {}
    timeout = ClientTimeout(total=120)
    async with (
        ClientSession(running.url, connector=TCPConnector(limit=0), timeout=timeout) as session,
        ClientSession(
            "http://engine", connector=UnixConnector(engine_url[5:], limit=0), timeout=timeout
        ) as bare,
    ):

        async def post(to: ClientSession, path: str, body: bytes) -> float:
            """Gives the time at which the first bytes of the body came; the rest is read too."""
            async with to.post(path, data=body, headers=JSON) as response:
                await response.content.readany()
                first_s = time.monotonic()
                answer = await response.read()
                assert response.status == 200, answer
                return first_s

        captions = [orjson.dumps({"image_path": str(path)}) for path in paths]
        urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
        chats = [orjson.dumps(chat(url, stream=False)) for url in urls]
        batch = orjson.dumps({"image_paths": [str(path) for path in paths[:IN_FLIGHT]]})
        faces: dict[str, tuple[Ask, int, int]] = {
            "caption": (lambda n: post(session, "/caption", captions[n % PICTURES]), 1, IN_FLIGHT),
            "batch": (lambda n: post(session, "/batch_caption", batch), IN_FLIGHT, 2),
            "openai": (lambda n: post(session, "/v1/chat/completions", chats[n % PICTURES]), 1, IN_FLIGHT),
        }
        for name, (ask, images, in_flight) in faces.items():
            await keep_in_flight(ask, numbers_for(seconds / 4), in_flight)  # warm-up
            before = cpu_s(running.process)
            answers, took_s = await keep_in_flight(ask, numbers_for(seconds), in_flight)
            count = len(answers) * images
            figures[f"{name}_rps"] = count / took_s
            figures[f"{name}_cpu_ms"] = (cpu_s(running.process) - before) * 1000 / count
            rate, cpu_ms = figures[f"{name}_rps"], figures[f"{name}_cpu_ms"]
            print(
                f"{name:8} {rate:6.0f} images/s with {IN_FLIGHT} in flight, {cpu_ms:.2f} ms of CPU each",
                flush=True,
            )

        limits = ImageLimits(2**30, 2**30)
        prompt = book.prompt(PromptChoice(style="descriptive"))
        request = CaptionRequest(question(prompt, book.system_prompt), book.default_sampling)
        prepared = [to_data_url(prepare(data, limits)).decode() for data in pictures]
        plain = [orjson.dumps(to_arguments(request, url, "instant")) for url in prepared]
        streamed = [
            orjson.dumps(to_arguments(request, url, "instant") | {"stream": True}) for url in prepared
        ]
        streams = [orjson.dumps(chat(url, stream=True)) for url in urls]
        completions = "/v1/chat/completions"
        bare_s, ours_s = await by_turns(
            lambda n: post(bare, completions, plain[n % PICTURES]), faces["caption"][0], seconds
        )
        for share in (0.5, 0.99):
            added_ms = (percentile(ours_s, share) - percentile(bare_s, share)) * 1000
            figures[f"added_p{share * 100:.0f}_ms"] = added_ms
        bare_first_s, ours_first_s = await by_turns(
            lambda n: post(bare, completions, streamed[n % PICTURES]),
            lambda n: post(session, completions, streams[n % PICTURES]),
            seconds,
        )
        figures["added_first_token_ms"] = (
            percentile(ours_first_s, 0.5) - percentile(bare_first_s, 0.5)
        ) * 1000
    print(
        f"added to the engine's own at {RATE:.0f} requests/s: p50 {figures['added_p50_ms']:.1f} ms, "
        f"p99 {figures['added_p99_ms']:.1f} ms; to the first token {figures['added_first_token_ms']:.1f} ms"
    )
    return figures


def chat(url: str, *, stream: bool) -> dict[str, object]:
    """Gives a chat about the image at `url`, as OpenAI's clients send it."""
    image = {"type": "image_url", "image_url": {"url": url}}
    return {"model": "joycaption", "messages": [{"role": "user", "content": [image]}], "stream": stream}


async def by_turns(first: Ask, second: Ask, seconds: float) -> tuple[list[float], list[float]]:
    """Gives the latencies of both in seconds, each at RATE, a second of one and a second of the other."""
    latencies: tuple[list[float], list[float]] = ([], [])
    for turn in range(2 * max(2, round(seconds / 2))):
        tasks = []
        begin = time.monotonic()
        for number in range(round(RATE)):
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(timed((first, second)[turn % 2], number + turn * 7)))
        found = await asyncio.gather(*tasks)
        if turn >= 2:  # the first of each is a warm-up
            latencies[turn % 2].extend(found)
    return latencies


async def timed(ask: Ask, number: int) -> float:
    """Gives the seconds until `ask` has its first bytes."""
    started = time.monotonic()
    return await ask(number) - started


if __name__ == "__main__":
    main()
