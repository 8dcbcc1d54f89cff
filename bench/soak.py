"""Does the service hold under load? `python bench/soak.py [--minutes 10] [--in-flight 512]`.

Starts the service on an engine that takes a second for each request and answers with its prompt, and keeps
that many requests in flight, through `/caption` and `/v1` by turns, each with a prompt of its own.
Prints how many were lost (no answer, or an error), got another's answer, or reached the engine twice; p50 and
p99; and the memory of the service and its decoders at the end as a ratio to that after the warm-up.

With --engine-url it runs on an engine that is there already, whose captions are counted and not compared.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT_DIR))

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, UnixConnector  # noqa: E402
from PIL import Image  # noqa: E402

ENGINE_DELAY_S = 1.0
PICTURES = 1024
SIDE_PX = 512
WARM_UP = 0.2  # of the time, until memory is compared
SAMPLE_S = 2.0
REPORT_S = 60.0


@dataclass
class Tally:
    """What came of the requests."""

    answered: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--in-flight", type=int, default=512)
    parser.add_argument("--engine-url")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        socket = Path(folder, "engine.sock")
        if arguments.engine_url is None:
            engine = ["bench/instant_engine.py", str(socket), "--echo", "--delay-s", str(ENGINE_DELAY_S)]
            stack.enter_context(running([sys.executable, *engine]))
        paths = draw_pictures(Path(folder))
        engine_url = arguments.engine_url or f"unix:{socket}"
        service = stack.enter_context(
            running(
                [sys.executable, "-m", "adapter", "serve", "--port", "0", "--engine-url", engine_url],
                CAPTION_MAX_IN_FLIGHT=str(arguments.in_flight),
                CAPTION_LOG_LEVEL="warning",
            )
        )
        url = await ready(service)
        tally = Tally()
        memory_mb: list[float] = []
        watching = asyncio.create_task(watch(service.pid, memory_mb, tally))
        deadline = time.monotonic() + arguments.minutes * 60
        compare = arguments.engine_url is None
        async with ClientSession(
            url, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=600)
        ) as session:
            numbers = itertools.count()
            workers = (
                work(session, numbers, paths, deadline, tally, compare=compare)
                for _ in range(arguments.in_flight)
            )
            await asyncio.gather(*workers)
        watching.cancel()
        doubled = await asked_twice(socket) if compare else "not known"
    after_warm_up = memory_mb[int(len(memory_mb) * WARM_UP) :]
    part = max(1, len(after_warm_up) // 8)
    first, last = statistics.median(after_warm_up[:part]), statistics.median(after_warm_up[-part:])
    tally.seconds.sort()
    print(f"answered {tally.answered} in {arguments.minutes:g} min, {arguments.in_flight} in flight")
    print(f"lost {len(tally.lost)}, another's answer {tally.wrong}, twice at the engine {doubled}")
    for reason in sorted(set(tally.lost))[:5]:
        print(f"  {tally.lost.count(reason)}: {reason}")
    print(f"p50 {percentile(tally.seconds, 0.5):.2f} s, p99 {percentile(tally.seconds, 0.99):.2f} s")
    print(f"memory {first:.0f} MB after the warm-up, {last:.0f} MB at the end: {last / first:.2f} times")


async def work(
    session: ClientSession,
    numbers: "itertools.count[int]",
    paths: list[Path],
    deadline: float,
    tally: Tally,
    *,
    compare: bool,
) -> None:
    """One request after the other."""
    while time.monotonic() < deadline:
        number = next(numbers)
        prompt = f"Say {number}."
        started = time.monotonic()
        try:
            caption = await ask(session, number, prompt, paths[number % len(paths)])
        except (ClientError, TimeoutError, AnswerError) as error:
            tally.lost.append(f"{type(error).__name__}: {error}")
            continue
        tally.answered += 1
        tally.seconds.append(time.monotonic() - started)
        tally.wrong += caption != prompt if compare else not caption


class AnswerError(Exception):
    """An answer that isn't a caption."""


async def ask(session: ClientSession, number: int, prompt: str, path: Path) -> str:
    if number % 2:
        return str((await post(session, "/caption", {"image_path": str(path), "prompt": prompt}))["caption"])
    data = await asyncio.to_thread(path.read_bytes)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prompt}]
    body = {"model": "joycaption", "messages": [{"role": "user", "content": parts}]}
    answer = await post(session, "/v1/chat/completions", body)
    return str(answer["choices"][0]["message"]["content"])


async def post(session: ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise AnswerError(f"{response.status} {answer.get('error')}")
        return answer


def draw_pictures(folder: Path) -> list[Path]:
    """Pictures of one colour each."""
    paths = [folder / f"{number}.png" for number in range(PICTURES)]
    for number, path in enumerate(paths):
        Image.new("RGB", (SIDE_PX, SIDE_PX), (number % 256, number // 256, 99)).save(path)
    return paths


@contextlib.contextmanager
def running(command: list[str], **environment: str) -> Any:
    process = subprocess.Popen(
        command,
        cwd=PROJECT_DIR,
        env=os.environ | {"PYTHONPATH": str(PROJECT_DIR)} | environment,
        stderr=subprocess.PIPE if "adapter" in command else None,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stderr is not None:
            sys.stderr.buffer.write(process.stderr.read())


async def ready(service: "subprocess.Popen[bytes]") -> str:
    """The service's URL, when it captions."""
    while not (ports := listening_ports(service.pid)):  # noqa: ASYNC110 - a process has no event
        await asyncio.sleep(0.1)
    url = f"http://127.0.0.1:{ports[0]}"
    async with ClientSession(url) as session:
        while True:
            async with session.get("/health") as response:
                if (await response.json())["model_loaded"]:
                    return url
            await asyncio.sleep(0.1)


def listening_ports(process: int) -> list[int]:
    """TCP ports that `process` listens on."""
    sockets = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets |= set(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A" and line[9] in sockets]


async def watch(process: int, memory_mb: list[float], tally: Tally) -> None:
    reported = started = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_S)
        memory_mb.append(memory_of(process))
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            told = f"{tally.answered} answered, {len(tally.lost)} lost, {memory_mb[-1]:.0f} MB"
            print(f"{(reported - started) / 60:.0f} min: {told}", flush=True)


def memory_of(process: int) -> float:
    """Of a process and those below it, in MB: what they have for themselves, and their share of the rest."""
    total_kb = 0
    processes = [process]
    while processes:
        one = processes.pop()
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total_kb += int(re.findall(r"^Pss: +(\d+)", rollup, re.M)[0])
            for task in Path(f"/proc/{one}/task").glob("*/children"):
                processes += map(int, task.read_text().split())
    return total_kb / 1024


async def asked_twice(socket: Path) -> int:
    connector = UnixConnector(str(socket))
    url = "http://engine/asked-twice"
    async with ClientSession(connector=connector) as session, session.get(url) as response:
        return int(await response.text())


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


if __name__ == "__main__":
    asyncio.run(main())
