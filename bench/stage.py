"""The stage that the benchmarks share: an engine and a service to measure, pictures, and what it all costs.

Results go to standard output for people, and with `--results FILE` into that JSON file, one section per
benchmark.
"""

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientError, ClientSession
from PIL import Image, ImageChops, ImageFilter

from adapter.caption.prompts import PromptBook
from adapter.cli.files import load_book

PROJECT_DIR = Path(__file__).resolve().parent.parent
START_LIMIT_S = 900.0
POLL_S = 0.1
LENS_BLUR = 1.5 / 4000  # of the width: no lens is sharp to the pixel
GRAIN = 4  # standard deviation, of 255
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SETS_VARIABLE = re.compile(r"\w+=").match
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: int
    url: str


def arguments(description: str | None, **more: Any) -> argparse.Namespace:
    """Reads the command line that all benchmarks have, with `more` options by their defaults.

    With --dry-run it prints the options as JSON, and ends the program.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller, for a machine without a GPU")
    parser.add_argument("--results", type=Path, help="a JSON file to put the figures into")
    parser.add_argument("--dry-run", action="store_true", help="only print the options, as JSON")
    for name, default in more.items():
        kind = type(default) if default is not None else str
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    given = parser.parse_args()
    if given.dry_run:
        print(json.dumps(vars(given), default=str))
        parser.exit()
    return given


def record(results: Path | None, section: str, figures: dict[str, Any]) -> None:
    """Puts `figures` into that section of the file, rounded to the three digits that can be relied on."""
    if results is None:
        return
    whole = json.loads(results.read_text()) if results.exists() else {}
    whole[section] = _rounded(figures)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


@contextlib.contextmanager
def running(command: list[str], **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a process, which ends with the context. Only its warnings are shown."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT_DIR,
        env=os.environ | {"PYTHONPATH": str(PROJECT_DIR), "CAPTION_LOG_LEVEL": "warning"} | environment,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def prompt_book() -> PromptBook:
    """Gives the project's own styles.json."""
    return load_book(PROJECT_DIR / "styles.json")


def engine_python() -> str:
    """Gives the Python that runs vLLM, and installs it if need be."""
    script = str(PROJECT_DIR / "launch_vllm.sh")
    subprocess.run(["bash", script, "--install-only"], check=True, stdout=sys.stderr)
    printed = subprocess.run(["bash", script, "--print-command"], capture_output=True, text=True, check=True)
    # The command comes after the environment variables that are set for it.
    return next(word for word in shlex.split(printed.stdout) if not SETS_VARIABLE(word))


@contextlib.contextmanager
def instant_engine(folder: Path, *options: str) -> Iterator[str]:
    """Gives the URL of an engine that answers at once, and runs it while the context lasts."""
    socket = folder / "instant.sock"
    with running([sys.executable, "bench/instant_engine.py", str(socket), *options]):
        while not socket.exists():
            time.sleep(POLL_S)
        yield f"unix:{socket}"


@contextlib.contextmanager
def service(
    engine_url: str | None = None, program: str = "adapter/__main__.py", **environment: str
) -> Iterator[Service]:
    """Runs a service on that engine or on one of its own, and gives it once it is ready."""
    engine = ["--engine-url", engine_url] if engine_url else []
    command = [sys.executable, program, "serve", "--port", "0", *engine]
    with running(command, **environment) as process:
        url = asyncio.run(_ready(process))
        yield Service(process.pid, url)


async def _ready(process: "subprocess.Popen[bytes]") -> str:
    async with asyncio.timeout(START_LIMIT_S):
        while not (ports := _listening_ports(process.pid)):
            assert process.poll() is None, "the service ended"
            await asyncio.sleep(POLL_S)
        url = f"http://127.0.0.1:{ports[0]}"
        async with ClientSession(url) as session:
            while True:
                with contextlib.suppress(ClientError):
                    async with session.get("/health") as response:
                        if (await response.json())["model_loaded"]:
                            return url
                await asyncio.sleep(POLL_S)


def _listening_ports(process: int) -> list[int]:
    sockets: set[str] = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets |= set(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A" and line[9] in sockets]


def processes_of(process: int) -> Iterator[int]:
    """Yields the process and all below it."""
    waiting = [process]
    while waiting:
        one = waiting.pop()
        yield one
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended by now
                waiting += map(int, task.read_text().split())


def cpu_s(process: int) -> float:
    """Gives the seconds of CPU that the process and all below it have used."""
    total = 0
    for one in processes_of(process):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / CLOCK_TICKS


def memory_mb(process: int) -> float:
    """Gives the memory of the process and all below it: what is theirs alone, and their share of the rest."""
    total_kb = 0
    for one in processes_of(process):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total_kb += int(re.findall(r"^Pss: +(\d+)", rollup, re.M)[0])
    return total_kb / 1024


async def keep_in_flight(
    ask: Callable[[int], Awaitable[Answer]], numbers: Iterable[int], in_flight: int
) -> tuple[list[Answer], float]:
    """Asks for each of the numbers, with `in_flight` of them always under way.

    Gives the answers in the order in which they came, and the seconds that it took.
    """
    waiting = iter(numbers)
    answers: list[Answer] = []

    async def one_after_the_other() -> None:
        for number in waiting:
            answers.append(await ask(number))

    started = time.monotonic()
    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
    return answers, time.monotonic() - started


def numbers_for(seconds: float) -> Iterator[int]:
    """Yields 0, 1, 2 and so on until that time has passed."""
    deadline = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < deadline, itertools.count())


def draw_scenes(folder: Path, count: int, side_px: int = 384, seed: int = 64) -> list[Path]:
    """Draws `count` different pictures of the demonstration model's kind as PNG files, `side_px` square."""
    from demo.scenes import Scene, draw

    rng = random.Random(seed)
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        draw(Scene.random(rng), rng, (side_px, side_px)).save(path)
    return paths


def photograph(width: int, height: int, seed: int = 1) -> Image.Image:
    """Draws an RGB picture like a photograph: the finer a detail the fainter, soft edges, and grain."""
    rng = random.Random(seed)
    picture = Image.new("RGB", (width, height))
    for cells, strength in ((4, 1.0), (16, 0.3), (64, 0.1), (256, 0.03), (1024, 0.01)):
        size = (min(cells, width), max(1, min(cells * height // width, height)))
        noise = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
        layer = noise.resize((width, height), Image.Resampling.BICUBIC)
        picture = layer if strength == 1.0 else Image.blend(picture, layer, strength)
    for _ in range(24):  # edges
        left, top = rng.randrange(width), rng.randrange(height)
        box = (left, top, min(width, left + width // 8), min(height, top + height // 8))
        part = picture.crop(box)
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        picture.paste(Image.blend(part, Image.new("RGB", part.size, colour), 0.5), box)
    picture = picture.filter(ImageFilter.GaussianBlur(width * LENS_BLUR))
    return ImageChops.add(picture, Image.effect_noise((width, height), GRAIN).convert("RGB"), 1, -128)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Gives the file that Pillow makes of the picture."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def percentile(values: list[float], share: float) -> float:
    """Gives the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
