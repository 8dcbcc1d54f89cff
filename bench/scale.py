"""Do dataset runs stay quick and small for millions of files? `python bench/scale.py [--quick]`.

It makes trees of that many image files (links to a few pictures, a thousand per folder) and runs
`joycaption caption` over them, on an engine that answers at once. For each tree it prints the time from
the engine's being ready to the first caption, images/s, the peak memory, and how long the same command
takes once all is done. The command captions only a part of a tree with more than --whole images; the
project's own writer then finishes the rest, as the command would have, before the run that finds all
done.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from adapter.caption.answer import Answer, Choice
from adapter.caption.prompt_choice import PromptChoice
from adapter.dataset.claims import Claims
from adapter.dataset.planning import Job, Planner
from adapter.dataset.recipe import Recipe, recipes_for
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.writer import Finished, Writer, Written
from bench.instant_engine import MODEL, TEXT
from bench.stage import PROJECT_DIR, arguments, instant_engine, processes_of, prompt_book, record

IMAGES_IN_FOLDER = 1000
MAX_LINKS = 50_000  # to one file; file systems have limits
POLL_S = 0.02
WRITE_CHUNK = 512
NAMES = {1_000: "1k", 10_000: "10k", 100_000: "100k", 1_000_000: "1m"}


def main() -> None:
    given = arguments(__doc__, sizes="1000,10000,100000,1000000", whole=0, seconds=30.0)
    whole = given.whole or (10_000 if given.quick else 100_000)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch, instant_engine(Path(scratch)) as engine_url:
        for size in map(int, given.sizes.split(",")):
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                root = Path(folder, "data")
                make_tree(root, size)
                first = caption(root, engine_url, None if size <= whole else given.seconds)
                if size > whole:
                    finish(root)
                again = caption(root, engine_url, None)
            name = NAMES.get(size, str(size))
            peak_mb = max(first["peak_mb"], again["peak_mb"])
            figures |= {
                f"first_caption_s_{name}": first["first_s"],
                f"images_per_s_{name}": first["rate"],
                f"peak_mb_{name}": peak_mb,
                f"resume_s_{name}": again["seconds"],
            }
            print(
                f"{size} images: the first caption {first['first_s']:.2f} s after the engine was ready, "
                f"{first['done']} captioned at {first['rate']:.0f} images/s, peak {peak_mb:.0f} MB; "
                f"again, all done: {again['seconds']:.1f} s",
                flush=True,
            )
    if {"peak_mb_1m", "peak_mb_100k"} <= figures.keys():
        figures["peak_1m_to_100k"] = figures["peak_mb_1m"] / figures["peak_mb_100k"]
        print(f"peak memory, a million to 100 000: {figures['peak_1m_to_100k']:.2f}")
    record(given.results, "scale", figures)


def make_tree(root: Path, size: int) -> None:
    """Makes a folder with `size` image files in folders below it."""
    root.mkdir()
    for number in range(size):
        folder = root / f"{number // IMAGES_IN_FOLDER:05}"
        if number % IMAGES_IN_FOLDER == 0:
            folder.mkdir()
        if number % MAX_LINKS == 0:
            original = folder / f"{number}.jpg"
            Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(original)
        else:
            os.link(original, folder / f"{number}.jpg")


def caption(root: Path, engine_url: str, limit_s: float | None) -> dict[str, Any]:
    """Gives the figures of one run. After `limit_s` the run is asked to end, as by Ctrl-C."""
    started = time.monotonic()
    run = subprocess.Popen(
        [sys.executable, "-m", "adapter", "caption", str(root), "--engine-url", engine_url, "--json"],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout is not None
    assert run.stderr is not None
    peak_mb = asyncio.run(_peak_mb(run, limit_s))
    output, errors = run.stdout.read(), run.stderr.read()
    assert run.returncode in (0, 130), errors.decode()
    result = json.loads(output)
    return {
        "peak_mb": peak_mb,
        "seconds": time.monotonic() - started,
        "first_s": result["first_caption_s"],
        "done": result["done"],
        "rate": result["images_per_s"],
    }


async def _peak_mb(run: "subprocess.Popen[bytes]", limit_s: float | None) -> float:
    started = time.monotonic()
    peak_kb = 0
    while run.poll() is None:
        await asyncio.sleep(POLL_S)
        peak_kb = max(peak_kb, peak_of(run.pid))
        if limit_s is not None and time.monotonic() - started > limit_s:
            run.send_signal(signal.SIGINT)
            limit_s = None
    return peak_kb / 1024


def finish(root: Path) -> None:
    """Writes the texts that are missing, with their records, as the command does, but waits for no disk."""
    os.fsync = lambda fd: None
    book = prompt_book()
    like = Recipe(prompts=(), system_prompt=book.system_prompt, sampling=book.default_sampling)
    recipes = recipes_for(book, PromptChoice(), like, styles=[], prompts=())
    texts, claims = Sidecars(), Claims()
    planner = Planner(recipes, texts, claims, MODEL)
    answer = Answer((Choice(0, TEXT, "stop"),), 100, 16, seconds=0.1, weights=MODEL)
    with contextlib.closing(Writer(texts)) as writer, open_datasets(Selection([str(root)])) as (dataset,):
        jobs = (job for job in planner.plan(dataset, dataset.input.items()) if isinstance(job, Job))
        while batch := list(itertools.islice(jobs, WRITE_CHUNK)):
            finished = [Finished(job, task, answer) for job in batch for task in job.tasks]
            assert all(isinstance(outcome, Written) for outcome in writer.write(finished))
            for one in finished:
                claims.release(one.place)


def peak_of(process: int) -> int:
    """Gives the largest resident set so far, as Linux counts it, plus the decoders' at this moment, in kB."""
    total_kb = 0
    for one in processes_of(process):
        field = "VmHWM" if one == process else "VmRSS"
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith(field):
                    total_kb += int(line.split()[1])
    return total_kb


if __name__ == "__main__":
    main()
