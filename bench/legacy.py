"""How much faster than the legacy server? `python bench/legacy.py [--quick]`.

It compares transformers' `generate`, one image at a time as the legacy server runs it, with the service
with 1, 8 and 64 requests in flight. Both have the same checkpoint and prompt and decode greedily, and no
picture is used twice. By default the model is the demonstration model; with --geometry it has a size of
geometry.py, no weights, and answers of --tokens tokens.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bench import geometry
from bench.ceiling import PROMPT, engine
from bench.stage import (
    PROJECT_DIR,
    Service,
    arguments,
    draw_scenes,
    engine_python,
    keep_in_flight,
    record,
    service,
)

IN_FLIGHT = (1, 8, 64)
LIMIT_S = 3600


def options() -> argparse.Namespace:
    """Reads the command line."""
    return arguments(__doc__, section="legacy", geometry="", tokens=0, images=0, engine_args="")


def main() -> None:
    given = options()
    images = given.images or (24 if given.quick else 64)
    tokens = given.tokens or (200 if given.geometry else 100)
    with tempfile.TemporaryDirectory() as scratch:
        counts = {in_flight: images * min(16, in_flight) for in_flight in IN_FLIGHT}
        fresh = iter(draw_scenes(Path(scratch, "pictures"), images + IN_FLIGHT[-1] + sum(counts.values())))
        model = geometry.DEMO_MODEL
        if given.geometry:
            model = Path(scratch, "model")
            geometry.write(given.geometry, model)
        legacy = one_by_one(
            model, list(itertools.islice(fresh, images)), tokens, "random" if given.geometry else "weights"
        )
        print(f"transformers, one by one: {legacy['rate']:.2f} images/s, {legacy['tokens']:.0f} tokens each")
        figures = {"transformers_images_per_s": legacy["rate"], "transformers_tokens": legacy["tokens"]}
        with started(Path(scratch), given.geometry, given.engine_args) as ours:
            warm_up = list(itertools.islice(fresh, IN_FLIGHT[-1]))
            asyncio.run(ask_all(ours.url, warm_up, tokens, IN_FLIGHT[-1]))
            for in_flight, count in counts.items():
                some = list(itertools.islice(fresh, count))
                rate, length = asyncio.run(ask_all(ours.url, some, tokens, in_flight))
                figures |= {f"images_per_s_{in_flight}": rate, f"speedup_{in_flight}": rate / legacy["rate"]}
                print(
                    f"ours, {in_flight:2} in flight: {rate:.2f} images/s, {length:.0f} tokens each: "
                    f"{rate / legacy['rate']:.1f} times as fast",
                    flush=True,
                )
    record(given.results, given.section, figures)


def one_by_one(model: Path, paths: list[Path], tokens: int, weights: str) -> dict[str, float]:
    """Gives what one_by_one.py prints: images/s (`rate`) and the mean number of `tokens`."""
    command = [
        engine_python(),
        str(PROJECT_DIR / "bench/one_by_one.py"),
        str(model),
        str(tokens),
        weights,
        PROMPT,
    ]
    ended = subprocess.run(
        [*command, *map(str, paths)], stdout=subprocess.PIPE, check=True, timeout=LIMIT_S, env=quiet()
    )
    found: dict[str, float] = orjson.loads(ended.stdout.splitlines()[-1])
    return found


def quiet() -> dict[str, str]:
    """Gives an environment in which transformers neither downloads nor warns."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def started(folder: Path, size: str, engine_args: str) -> Iterator[Service]:
    """Starts the service on the demonstration model, or on an engine without weights."""
    folders = {"CAPTION_RUN_DIR": str(folder / "service"), "CAPTION_LOG_DIR": str(folder / "log")}
    if not size:
        with service(CAPTION_MODEL=str(geometry.DEMO_MODEL), **folders) as ours:
            yield ours
        return
    with (
        engine(folder, size, engine_args) as engine_url,
        service(engine_url, program="bench/trusting.py", **folders) as ours,
    ):
        yield ours


async def ask_all(url: str, paths: list[Path], tokens: int, in_flight: int) -> tuple[float, float]:
    """Gives the images/s while `in_flight` requests are always under way, and the mean number of tokens."""
    timeout = ClientTimeout(total=LIMIT_S)
    async with ClientSession(url, connector=TCPConnector(limit=0), timeout=timeout) as session:

        async def ask(number: int) -> int:
            body = {"image_path": str(paths[number]), "prompt": PROMPT, "do_sample": False}
            async with session.post("/caption", json=body | {"max_new_tokens": tokens}) as response:
                answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return int(answer["completion_tokens"])

        lengths, seconds = await keep_in_flight(ask, range(len(paths)), in_flight)
    return len(paths) / seconds, sum(lengths) / len(lengths)


if __name__ == "__main__":
    main()
