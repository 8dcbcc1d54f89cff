"""How much of the engine's own rate reaches the user? `python bench/ceiling.py [--quick]`.

The real engine runs a model without weights (geometry.py) on unique 384 x 384 pictures, with answers of
one length. It is driven bare, by a plain client that keeps it full with prepared requests, and then by
the dataset command, by `/batch_caption` and by the openai package through `/v1`; each rate is printed as
a share of the bare one, which is the mean of measurements before, between and after the others. No
picture is asked about twice, because the engine would have it in its prefix cache. Where there are eight
cores or more, the engine gets one half of them, and everything that drives it the other.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
import pybase64
from aiohttp import ClientSession, ClientTimeout

from adapter.caption.request import CaptionRequest, question, to_arguments
from adapter.caption.sampling import Sampling
from adapter.engine.client import EngineClient, encode
from adapter.images.pixels import prepare, to_data_url
from adapter.images.sources import ImageLimits
from bench import geometry
from bench.stage import PROJECT_DIR, arguments, draw_scenes, keep_in_flight, prompt_book, record, service

START_LIMIT_S = 900.0
SPARE_CORES = 8
PROMPT = "Write a long detailed description for this image."


def options() -> argparse.Namespace:
    """Reads the command line."""
    return arguments(
        __doc__,
        section="ceiling",
        geometry="small",
        images=0,
        tokens=0,
        in_flight=64,
        engine_args="",
        only_bare=0,
    )


def main() -> None:
    given = options()
    # A model without weights writes nonsense, which is to be measured as if it were good.
    os.environ |= {"CAPTION_ATTEMPTS": "1", "CAPTION_ON_FLAW": "keep"}
    images = given.images or (256 if given.quick else 1024)
    tokens = given.tokens or (32 if given.quick else 200)
    with tempfile.TemporaryDirectory() as folder:
        pictures = fresh(Path(folder, "pictures"), images)
        with engine(Path(folder), given.geometry, given.engine_args) as engine_url:
            if given.only_bare:
                rate = asyncio.run(bare(engine_url, next(pictures), tokens, given.in_flight))
                print(f"bare {rate:.2f} images/s with {given.in_flight} in flight {given.engine_args}")
                figures = {"bare_images_per_s": rate, "in_flight": given.in_flight, "tokens": tokens}
            else:
                figures = measure(engine_url, pictures, tokens, given.in_flight)
    record(given.results, given.section, figures)


def fresh(folder: Path, count: int) -> Iterator[list[Path]]:
    """Yields, each time, `count` pictures that nobody has seen, in a folder of their own."""
    folder.mkdir()
    for seed in itertools.count():
        yield draw_scenes(folder / str(seed), count, seed=seed)


@contextlib.contextmanager
def engine(folder: Path, size: str, engine_args: str) -> Iterator[str]:
    """Starts launch_vllm.sh's engine with dummy weights, and gives its URL once it answers.

    Meanwhile this process keeps off the engine's cores.
    """
    model, socket = folder / "model", folder / "run/engine.sock"
    geometry.write(size, model)
    command = ["bash", "launch_vllm.sh", "--load-format", "dummy", *shlex.split(engine_args)]
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= SPARE_CORES:
        half = len(cores) // 2
        command = ["taskset", "-c", ",".join(map(str, cores[:half])), *command]
        os.sched_setaffinity(0, cores[half:])
    log = Path(folder, "engine.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=os.environ | {"CAPTION_MODEL": str(model), "CAPTION_ENGINE_SOCKET": str(socket)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        asyncio.run(wait_for(f"unix:{socket}", process, log))
        yield f"unix:{socket}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        os.sched_setaffinity(0, cores)


async def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns once the engine answers."""
    client = EngineClient(url, timeout_s=10)
    async with asyncio.timeout(START_LIMIT_S):
        while not await client.healthy(5):
            assert process.poll() is None, f"the engine ended, see {log}"
            await asyncio.sleep(0.5)
    await client.close()


def measure(engine_url: str, pictures: Iterator[list[Path]], tokens: int, in_flight: int) -> dict[str, float]:
    """Gives each face's rate as a share of the bare rate."""
    asyncio.run(bare(engine_url, next(pictures)[: 2 * in_flight], tokens, in_flight))  # warm-up
    bare_rates = [asyncio.run(bare(engine_url, next(pictures), tokens, in_flight))]
    rates: dict[str, float] = {}
    with service(engine_url, program="bench/trusting.py") as ours:
        drives: dict[str, Callable[[list[Path]], float]] = {
            "dataset": lambda paths: dataset(engine_url, paths, tokens),
            "batch": lambda paths: asyncio.run(batch(ours.url, paths, tokens)),
            "openai": lambda paths: asyncio.run(through_openai(ours.url, paths, tokens, in_flight)),
        }
        for name, drive in drives.items():
            rates[name] = drive(next(pictures))
            bare_rates.append(asyncio.run(bare(engine_url, next(pictures), tokens, in_flight)))
    whole = sum(bare_rates) / len(bare_rates)
    told = ", ".join(f"{rate:.2f}" for rate in bare_rates)
    print(f"bare     {whole:6.2f} images/s ({told}) with {in_flight} in flight, {tokens} tokens each")
    for name, rate in rates.items():
        print(f"{name:8} {rate:6.2f} images/s: {rate / whole:.2f} of the bare rate")
    shares = {name: rate / whole for name, rate in rates.items()}
    return shares | {"bare_images_per_s": whole, "in_flight": in_flight, "tokens": tokens}


async def bare(engine_url: str, paths: list[Path], tokens: int, in_flight: int) -> float:
    """Gives the images/s of requests that are prepared already."""
    client = EngineClient(engine_url, timeout_s=3600)
    model = (await client.model()).id
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=tokens)
    limits = ImageLimits(2**30, 2**30)
    request = CaptionRequest(question(PROMPT, prompt_book().system_prompt), sampling)
    bodies = []
    for path in paths:
        data = await asyncio.to_thread(path.read_bytes)
        bodies.append(encode(to_arguments(request, to_data_url(prepare(data, limits)).decode(), model)))

    async def ask(number: int) -> int:
        completion = await client.complete(bodies[number])
        return (completion.usage and completion.usage.completion_tokens) or 0

    answers = await keep_in_flight(ask, range(len(paths)), in_flight)
    await client.close()
    return rate_of(*answers, tokens)


def rate_of(lengths: list[int], seconds: float, tokens: int) -> float:
    """Gives the images/s of answers that all have that length."""
    assert set(lengths) == {tokens}, "answers of different lengths can't be compared"
    return len(lengths) / seconds


def dataset(engine_url: str, paths: list[Path], tokens: int) -> float:
    """Gives the images/s of the dataset command."""
    command = [sys.executable, "bench/trusting.py", "caption", str(paths[0].parent)]
    ended = subprocess.run(
        [*command, "--engine-url", engine_url, "--json", "--temperature", "0", "--max-tokens", str(tokens)],
        cwd=PROJECT_DIR,
        capture_output=True,
        check=True,
    )
    result = orjson.loads(ended.stdout)
    assert result["done"] == len(paths)
    return float(result["images_per_s"])


async def batch(url: str, paths: list[Path], tokens: int) -> float:
    """Gives the images/s of one `/batch_caption`."""
    body = {"image_paths": [str(path) for path in paths], "max_new_tokens": tokens, "do_sample": False}
    timeout = ClientTimeout(total=3600)
    started = time.monotonic()
    async with (
        ClientSession(url, timeout=timeout) as session,
        session.post("/batch_caption", json=body) as response,
    ):
        answer: dict[str, Any] = await response.json()
    seconds = time.monotonic() - started
    assert answer["successful_captions"] == len(paths)
    assert all(result["completion_tokens"] == tokens for result in answer["results"])
    return len(paths) / seconds


async def through_openai(url: str, paths: list[Path], tokens: int, in_flight: int) -> float:
    """Gives the images/s of the openai package."""
    import openai  # takes a second, which nothing else here should pay

    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="none", timeout=3600, max_retries=0
    ) as client:

        async def ask(number: int) -> int:
            data = await asyncio.to_thread(paths[number].read_bytes)
            image = "data:image/png;base64," + pybase64.b64encode(data).decode()
            parts: list[Any] = [
                {"type": "image_url", "image_url": {"url": image}},
                {"type": "text", "text": PROMPT},
            ]
            completion = await client.chat.completions.create(
                model="joycaption",
                messages=[{"role": "user", "content": parts}],
                temperature=0,
                max_tokens=tokens,
            )
            return completion.usage.completion_tokens if completion.usage else 0

        return rate_of(*await keep_in_flight(ask, range(len(paths)), in_flight), tokens)


if __name__ == "__main__":
    main()
