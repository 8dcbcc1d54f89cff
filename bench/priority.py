"""How long does a person wait beside a dataset run? `python bench/priority.py [--quick]`.

The real engine with the demonstration model is kept full by a dataset run. A single `/caption` is timed alone
and beside the run. The baseline is what a request takes inside a full batch when nobody waits before it: as
many requests as the engine computes at one time, asked for together. No picture is asked about twice.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bench.stage import PROJECT_DIR, arguments, draw_scenes, percentile, record, service

BATCH = 64  # requests that the engine computes at one time: --max-num-seqs
WARM_UP_S = 8.0
PROMPT = "Write a descriptive caption for this image in a casual tone."


def main() -> None:
    given = arguments(__doc__, requests=0)
    requests = given.requests or (20 if given.quick else 60)
    with tempfile.TemporaryDirectory() as scratch:
        run_dir = str(Path(scratch, "run"))
        settings = {"CAPTION_RUN_DIR": run_dir, "CAPTION_ENGINE_ARGS": f"--max-num-seqs {BATCH}"}
        fresh = iter(draw_scenes(Path(scratch, "single"), 3 * requests + BATCH * 3, seed=5))
        with service(**settings) as running:
            figures = {"idle_p50_s": percentile(asyncio.run(one_by_one(running.url, fresh, requests)), 0.5)}
            figures["full_batch_s"] = asyncio.run(full_batch(running.url, fresh))
            pictures = Path(scratch, "dataset")
            draw_scenes(pictures, 6000 if given.quick else 20_000, seed=6)
            run = start_run(pictures, run_dir)
            try:
                time.sleep(WARM_UP_S)
                beside = asyncio.run(one_by_one(running.url, fresh, requests))
                assert run.poll() is None, "the run has ended too early"
            finally:
                run.send_signal(signal.SIGINT)
                run.wait()
    figures |= {"beside_p50_s": percentile(beside, 0.5), "beside_max_s": max(beside)}
    figures["p50_to_full_batch"] = figures["beside_p50_s"] / figures["full_batch_s"]
    figures["max_to_full_batch"] = figures["beside_max_s"] / figures["full_batch_s"]
    print(
        f"alone {figures['idle_p50_s']:.2f} s; inside a full batch {figures['full_batch_s']:.2f} s; "
        f"beside a dataset run {figures['beside_p50_s']:.2f} s at the median and {max(beside):.2f} s at "
        f"worst: {figures['p50_to_full_batch']:.2f} and {figures['max_to_full_batch']:.2f} times that"
    )
    record(given.results, "priority", figures)


async def one_by_one(url: str, fresh: Iterator[Path], requests: int) -> list[float]:
    """Gives the seconds that each of some single requests takes, one after the other."""
    async with ClientSession(url, timeout=ClientTimeout(total=600)) as session:
        return [await ask(session, path) for path in itertools.islice(fresh, requests)]


async def full_batch(url: str, fresh: Iterator[Path]) -> float:
    """Gives the median of the seconds that requests take which fill the engine together."""
    took: list[float] = []
    async with ClientSession(
        url, timeout=ClientTimeout(total=600), connector=TCPConnector(limit=0)
    ) as session:
        for _ in range(3):
            paths = list(itertools.islice(fresh, BATCH))
            took += await asyncio.gather(*(ask(session, path) for path in paths))
    return percentile(took, 0.5)


async def ask(session: ClientSession, path: Path) -> float:
    started = time.monotonic()
    body = {"image_path": str(path), "prompt": PROMPT, "temperature": 0.6, "max_new_tokens": 100}
    async with session.post("/caption", json=body) as response:
        assert response.status == 200, await response.text()
    return time.monotonic() - started


def start_run(pictures: Path, run_dir: str) -> "subprocess.Popen[bytes]":
    """Starts a dataset run that uses the service's engine."""
    command = [sys.executable, "adapter/__main__.py", "caption", str(pictures), "--prompt", PROMPT]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_DIR), "CAPTION_RUN_DIR": run_dir}
    return subprocess.Popen(
        [*command, "--max-tokens", "100"],
        cwd=PROJECT_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
