"""What do datasets in shards cost? `python bench/shards.py [--quick] [--parts disk,tars,store,memory]`.

An engine that takes --delay-s for each answer, and makes 64 at one time, is kept full by a plain client with
prepared requests: the bare rate, measured before, between and after the others. Then `joycaption caption`
captions tars on the disk (`disk`), writes new tars with captions besides (`tars`), and reads
the shards from a store that takes a second for each answer (`store`); each rate is printed as a share of the
bare one. `memory` captions one tar of 10 000 images on an engine that answers at once, and tells the peak of
the command's own resident set, and what its decoders had at that time.
"""

import asyncio
import contextlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapter.caption.request import CaptionRequest, question, to_arguments
from adapter.caption.sampling import Sampling
from adapter.engine.client import EngineClient, encode
from adapter.images.pixels import prepare, to_data_url
from adapter.images.sources import ImageLimits
from bench.stage import (
    PROJECT_DIR,
    arguments,
    encoded,
    instant_engine,
    keep_in_flight,
    photograph,
    processes_of,
    prompt_book,
    record,
)

AT_ONCE, IN_FLIGHT = 64, 128
IMAGES_IN_SHARD = 256
IMAGES_IN_LARGE = 10_000
DRAWN = 64  # pictures, which come again and again: this engine doesn't look at them
SIDE_PX = 512
STORE_S = 1.0
POLL_S = 0.02
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
LIMITS = ImageLimits(2**30, 2**30)


def main() -> None:
    given = arguments(__doc__, parts="disk,tars,store,memory", images=0, delay_s=4.0)
    images = given.images or (5 if given.quick else 20) * IMAGES_IN_SHARD
    parts = given.parts.split(",")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = [encoded(photograph(SIDE_PX, SIDE_PX, seed), "JPEG", quality=85) for seed in range(DRAWN)]
        if rated := [part for part in parts if part in DRIVES]:
            with instant_engine(folder, f"--delay-s={given.delay_s}", f"--at-once={AT_ONCE}") as engine_url:
                figures |= shares(engine_url, folder, files, images, rated)
        if "memory" in parts:
            with instant_engine(folder) as engine_url:
                figures |= memory(engine_url, folder, files)
    record(given.results, "shards", figures)


def write_shards(folder: Path, files: list[bytes], images: int, in_shard: int) -> list[Path]:
    """Writes tars as img2dataset does, and gives their paths."""
    folder.mkdir(exist_ok=True)
    numbers = iter(range(images))
    paths: list[Path] = []
    while batch := list(itertools.islice(numbers, in_shard)):
        paths.append(folder / f"{len(paths):05}.tar")
        with tarfile.open(paths[-1], "w") as tar:
            for number in batch:
                for ending, content in (
                    ("jpg", files[number % len(files)]),
                    ("txt", b"alt"),
                    ("json", b"{}"),
                ):
                    member = tarfile.TarInfo(f"{number:09}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return paths


# --- The share of the engine's rate -------------------------------------------------------------------


def shares(
    engine_url: str, folder: Path, files: list[bytes], images: int, parts: list[str]
) -> dict[str, float]:
    """Gives each part's rate as a share of the bare rate."""
    shards = write_shards(folder / "data", files, images, IMAGES_IN_SHARD)
    bare_rates = [asyncio.run(bare(engine_url, files, images))]
    rates: dict[str, float] = {}
    for part in parts:
        with DRIVES[part](folder / "data", folder / part) as (names, options):
            rates[part] = caption(engine_url, names, options)["images_per_s"]
        bare_rates.append(asyncio.run(bare(engine_url, files, images)))
    whole = sum(bare_rates) / len(bare_rates)
    told = ", ".join(f"{rate:.2f}" for rate in bare_rates)
    mean_kb = sum(map(len, files)) / len(files) / 1000
    print(
        f"bare     {whole:6.2f} images/s ({told}) with {AT_ONCE} made at one time, {images} JPEG files of "
        f"{mean_kb:.0f} kB in {len(shards)} tars"
    )
    for part, rate in rates.items():
        print(f"{part:8} {rate:6.2f} images/s: {rate / whole:.3f} of the bare rate", flush=True)
    found = {f"{part}_to_bare": rate / whole for part, rate in rates.items()}
    return found | {"bare_images_per_s": whole, "images": images}


async def bare(engine_url: str, files: list[bytes], images: int) -> float:
    """Gives the images/s of requests that are prepared already."""
    client = EngineClient(engine_url, timeout_s=3600)
    model = (await client.model()).id
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=512)
    request = CaptionRequest(question("Describe.", prompt_book().system_prompt), sampling)
    bodies = [
        encode(to_arguments(request, to_data_url(prepare(file, LIMITS)).decode(), model)) for file in files
    ]
    _, seconds = await keep_in_flight(
        lambda number: client.complete(bodies[number % len(bodies)]), range(images), IN_FLIGHT
    )
    await client.close()
    return images / seconds


Drive = Callable[[Path, Path], contextlib.AbstractContextManager[tuple[list[str], list[str]]]]


@contextlib.contextmanager
def on_disk(data: Path, out: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Gives the shards' names and the options of a run over tars on the disk."""
    yield [f"{data}/*.tar"], ["--output", str(out)]


@contextlib.contextmanager
def with_new_tars(data: Path, out: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Gives those of a run that writes new tars too."""
    yield [f"{data}/*.tar"], ["--output", str(out), "--write-shards", f"{out}-new"]


@contextlib.contextmanager
def in_slow_store(data: Path, out: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Gives those of a run that reads the tars from a slow store, which runs while the context lasts."""
    program = [sys.executable, "bench/slow_store.py", str(data), f"--delay-s={STORE_S}"]
    with subprocess.Popen(program, cwd=PROJECT_DIR, stdout=subprocess.PIPE) as store:
        try:
            assert store.stdout is not None
            at = f"endpoint_override=127.0.0.1:{int(store.stdout.readline())}&scheme=http"
            yield [f"s3://bucket/{path.name}?{at}" for path in sorted(data.iterdir())], ["--output", str(out)]
        finally:
            store.terminate()


DRIVES: dict[str, Drive] = {"disk": on_disk, "tars": with_new_tars, "store": in_slow_store}


def caption(engine_url: str, names: list[str], options: list[str]) -> dict[str, Any]:
    """Gives what a run says of itself, with the peaks of its memory."""
    run = subprocess.Popen(
        [sys.executable, "-m", "adapter", "caption", *names, *options, "--engine-url", engine_url, "--json"],
        cwd=PROJECT_DIR,
        env=os.environ | CREDENTIALS,
        stdout=subprocess.PIPE,
    )
    peak_kb = decoders_kb = 0
    while run.poll() is None:
        time.sleep(POLL_S)
        own_kb, others_kb = resident_kb(run.pid)
        peak_kb, decoders_kb = max(peak_kb, own_kb), max(decoders_kb, others_kb)
    assert run.returncode == 0, "see above"
    assert run.stdout is not None
    told: dict[str, Any] = json.loads(run.stdout.read())
    return told | {"peak_mb": peak_kb / 1024, "decoders_mb": decoders_kb / 1024}


# --- Memory -------------------------------------------------------------------------------------------


def memory(engine_url: str, folder: Path, files: list[bytes]) -> dict[str, float]:
    """Gives the peak of the memory over one large shard, without and with a new tar."""
    (path,) = write_shards(folder / "large", files, IMAGES_IN_LARGE, IMAGES_IN_LARGE)
    figures: dict[str, float] = {}
    new = ["--write-shards", str(folder / "large-new")]
    runs: tuple[tuple[str, list[str]], ...] = (("", []), ("_tars", new))
    for name, options in runs:
        told = caption(engine_url, [str(path)], ["--output", str(folder / f"large{name}-out"), *options])
        assert told["done"] == IMAGES_IN_LARGE
        figures[f"peak_mb{name}"] = told["peak_mb"]
        figures[f"decoders_mb{name}"] = told["decoders_mb"]
        figures[f"images_per_s{name}"] = told["images_per_s"]
        print(
            f"one tar of {IMAGES_IN_LARGE} images{', and a new one' if name else ''}: "
            f"{told['peak_mb']:.0f} MB at most in the command's process, {told['decoders_mb']:.0f} MB in its "
            f"decoders, {told['images_per_s']:.0f} images/s",
            flush=True,
        )
    return figures


def resident_kb(process: int) -> tuple[int, int]:
    """Gives the largest resident set that a process had so far, and those below it have now, in kB."""
    own = others = 0
    for one in processes_of(process):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text()
            field = "VmHWM" if one == process else "VmRSS"
            found = re.search(rf"^{field}:\s+(\d+)", status, re.M)
            kilobytes = int(found[1]) if found else 0
            own, others = (own + kilobytes, others) if one == process else (own, others + kilobytes)
    return own, others


if __name__ == "__main__":
    main()
