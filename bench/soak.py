"""Does the service hold under load? `python bench/soak.py [--minutes 10] [--in-flight 512]`.

It starts the service on an engine that takes a second for each request and answers with its prompt, and
keeps that many requests in flight, through `/caption` and `/v1` by turns, each with a prompt of its own.
It prints how many were lost (no answer, or an error), got another's answer, or reached the engine twice;
p50 and p99; and the ratio of the memory of the service and its decoders at the end to that after the
warm-up.

With --engine-url it uses an engine that runs already, whose captions are counted and not compared. With
--quick there are fewer pictures.
"""

import asyncio
import base64
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, UnixConnector

from bench.stage import (
    Service,
    arguments,
    draw_scenes,
    instant_engine,
    keep_in_flight,
    memory_mb,
    numbers_for,
    percentile,
    record,
    service,
)

ENGINE_DELAY_S = 1.0
PICTURES, FEW_PICTURES = 1024, 64
SIDE_PX = 512
WARM_UP = 0.2  # share of the time before memory is compared
SAMPLE_S = 2.0
REPORT_S = 60.0


@dataclass
class Tally:
    """Counts what came of the requests."""

    answered: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    given = arguments(__doc__, minutes=10.0, in_flight=512, engine_url="")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        options = ("--echo", "--delay-s", str(ENGINE_DELAY_S))
        engine_url = given.engine_url or stack.enter_context(instant_engine(Path(folder), *options))
        paths = draw_scenes(Path(folder, "pictures"), FEW_PICTURES if given.quick else PICTURES, SIDE_PX)
        ours = stack.enter_context(service(engine_url, CAPTION_MAX_IN_FLIGHT=str(given.in_flight)))
        soaking = soak(ours, paths, tally, given.minutes, given.in_flight, compare=not given.engine_url)
        memory = asyncio.run(soaking)
        doubled: int | str = "not known"
        if not given.engine_url:
            doubled = asyncio.run(asked_twice(engine_url.removeprefix("unix:")))
    report(tally, memory, doubled, f"{given.minutes:g} min, {given.in_flight} in flight")
    record(
        given.results,
        "soak",
        {"answered": tally.answered, "lost": len(tally.lost), "memory_growth": compared(memory)[2]},
    )


async def soak(
    ours: Service, paths: list[Path], tally: Tally, minutes: float, in_flight: int, *, compare: bool
) -> list[float]:
    """Keeps `in_flight` requests in flight, and gives the service's memory in MB as it went."""
    memory: list[float] = []
    watching = asyncio.create_task(watch(ours.process, memory, tally))
    connector, timeout = TCPConnector(limit=0), ClientTimeout(total=600)
    async with ClientSession(ours.url, connector=connector, timeout=timeout) as session:

        async def one(number: int) -> None:
            prompt = f"Say {number}."
            started = time.monotonic()
            try:
                caption = await ask(session, number, prompt, paths[number % len(paths)])
            except (ClientError, TimeoutError, AnswerError) as error:
                tally.lost.append(f"{type(error).__name__}: {error}")
                return
            tally.answered += 1
            tally.seconds.append(time.monotonic() - started)
            tally.wrong += caption != prompt if compare else not caption

        await keep_in_flight(one, numbers_for(minutes * 60), in_flight)
    watching.cancel()
    return memory


def compared(memory: list[float]) -> tuple[float, float, float]:
    """Gives the memory after the warm-up and at the end, in MB, and their ratio."""
    steady = memory[int(len(memory) * WARM_UP) :]
    part = max(1, len(steady) // 8)
    first, last = statistics.median(steady[:part]), statistics.median(steady[-part:])
    return first, last, last / first


def report(tally: Tally, memory: list[float], doubled: int | str, conditions: str) -> None:
    """Prints what came of it."""
    print(f"answered {tally.answered} in {conditions}")
    print(f"lost {len(tally.lost)}, another's answer {tally.wrong}, twice at the engine {doubled}")
    for reason in sorted(set(tally.lost))[:5]:
        print(f"  {tally.lost.count(reason)}: {reason}")
    print(f"p50 {percentile(tally.seconds, 0.5):.2f} s, p99 {percentile(tally.seconds, 0.99):.2f} s")
    first, last, growth = compared(memory)
    print(f"memory {first:.0f} MB after the warm-up, {last:.0f} MB at the end: {growth:.2f} times")


class AnswerError(Exception):
    """The answer isn't a caption."""


async def ask(session: ClientSession, number: int, prompt: str, path: Path) -> str:
    """Gives a caption, by one face for odd numbers and by the other for even ones."""
    if number % 2:
        return str((await post(session, "/caption", {"image_path": str(path), "prompt": prompt}))["caption"])
    data = await asyncio.to_thread(path.read_bytes)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prompt}]
    body = {"model": "joycaption", "messages": [{"role": "user", "content": parts}]}
    answer = await post(session, "/v1/chat/completions", body)
    return str(answer["choices"][0]["message"]["content"])


async def post(session: ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Gives the service's answer. Raises AnswerError."""
    async with session.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise AnswerError(f"{response.status} {answer.get('error')}")
        return answer


async def watch(process: int, memory: list[float], tally: Tally) -> None:
    """Adds the memory of the process to `memory` now and then, and tells each minute how it goes."""
    reported = started = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_S)
        memory.append(memory_mb(process))
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            told = f"{tally.answered} answered, {len(tally.lost)} lost, {memory[-1]:.0f} MB"
            print(f"{(reported - started) / 60:.0f} min: {told}", flush=True)


async def asked_twice(socket: str) -> int:
    """Gives the number of prompts that reached the engine more than once."""
    connector = UnixConnector(socket)
    url = "http://engine/asked-twice"
    async with ClientSession(connector=connector) as session, session.get(url) as response:
        return int(await response.text())


if __name__ == "__main__":
    main()
