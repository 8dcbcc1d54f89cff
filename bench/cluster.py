"""What does a Ray cluster cost? `python bench/cluster.py [--quick] [--workers 2,4,8,16] [--shards 1000]`.

An engine that answers at once stands for those of all machines. `joycaption caption` captions shards of a few
small pictures, so that what each shard costs can be seen: alone, and with `--ray local` and several numbers
of workers, all of them on this machine. It prints for each how long a shard takes from the first caption on,
as a ratio to the command alone, the peak of the command's own resident set, and the mean of its workers'.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.shards import resident_kb, write_shards
from bench.stage import (
    PROJECT_DIR,
    arguments,
    encoded,
    instant_engine,
    photograph,
    processes_of,
    record,
)

SIDE_PX = 64
IMAGES_IN_SHARD = 4
POLL_S = 0.5


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds in all and for its captions alone, and memory in MB; workers' is a mean."""

    seconds: float
    captioning_s: float
    driver_mb: float
    worker_mb: float = 0.0


def main() -> None:
    given = arguments(__doc__, workers="2,4,8,16", shards=0)
    shards = given.shards or (100 if given.quick else 1000)
    figures: dict[str, Any] = {"shards": shards, "images_in_shard": IMAGES_IN_SHARD}
    with tempfile.TemporaryDirectory() as scratch, instant_engine(Path(scratch)) as engine_url:
        data, out = Path(scratch, "data"), Path(scratch, "out")
        files = [encoded(photograph(SIDE_PX, SIDE_PX, seed), "JPEG", quality=85) for seed in range(8)]
        write_shards(data, files, shards * IMAGES_IN_SHARD, IMAGES_IN_SHARD)
        alone = caption(engine_url, data, out / "alone", shards)
        figures["alone_ms_per_shard"] = alone.captioning_s / shards * 1000
        figures["alone_mb"] = alone.driver_mb
        print(f"alone       {told(alone, shards)}", flush=True)
        for workers in map(int, given.workers.split(",")):
            cost = caption(engine_url, data, out / str(workers), shards, workers)
            ratio = cost.captioning_s / alone.captioning_s
            print(
                f"{workers:2} workers  {told(cost, shards)}, {ratio:.2f} of the command alone; "
                f"{cost.worker_mb:.0f} MB in each worker",
                flush=True,
            )
            figures |= {
                f"ray_to_alone_{workers}": ratio,
                f"ms_per_shard_{workers}": cost.captioning_s / shards * 1000,
                f"start_s_{workers}": cost.seconds - cost.captioning_s,
                f"driver_mb_{workers}": cost.driver_mb,
                f"worker_mb_{workers}": cost.worker_mb,
            }
    record(given.results, "cluster", figures)


def told(cost: Cost, shards: int) -> str:
    """Gives a run's cost for people."""
    return (
        f"{cost.captioning_s / shards * 1000:6.1f} ms per shard, begun after "
        f"{cost.seconds - cost.captioning_s:.1f} s, {cost.driver_mb:.0f} MB in the command's process"
    )


def caption(engine_url: str, data: Path, out: Path, shards: int, workers: int = 0) -> Cost:
    """Captions all shards, by so many workers of a cluster of this machine, or none."""
    divided = ["--ray", "local", "--ray-actors", str(workers)] if workers else []
    begun_s = time.monotonic()
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "adapter", "caption", f"{data}/*.tar", "--output", str(out), "--json"),
            *("--engine-url", engine_url, *divided),
        ],
        cwd=PROJECT_DIR,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each shard
    )
    driver_kb, worker_mb = 0, 0.0
    while run.poll() is None:
        time.sleep(POLL_S)
        own_kb, _ = resident_kb(run.pid)
        driver_kb, worker_mb = max(driver_kb, own_kb), max(worker_mb, mean_of_workers_mb(run.pid, workers))
    seconds = time.monotonic() - begun_s
    assert run.returncode == 0, f"the run ended with {run.returncode}"
    assert run.stdout is not None
    result = json.loads(run.stdout.read())
    assert result["done"] == shards * IMAGES_IN_SHARD
    return Cost(seconds, result["done"] / result["images_per_s"], driver_kb / 1024, worker_mb)


def mean_of_workers_mb(process: int, workers: int) -> float:
    """Gives the mean resident set of the workers below a process; 0 until all of them are there."""
    sizes = []
    for one in processes_of(process):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{one}/cmdline").read_bytes().startswith(b"ray::ClusterWorker"):
                found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text(), re.M)
                sizes.append(int(found[1]) / 1024 if found else 0.0)
    return sum(sizes) / workers if workers and len(sizes) == workers else 0.0


if __name__ == "__main__":
    main()
