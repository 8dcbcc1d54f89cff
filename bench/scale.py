"""Does a dataset run's memory stay flat? `python bench/scan.py [--sizes 10000,100000,1000000] [--plan]`.

Makes trees of that many image files, and captions them by `joycaption caption` against an engine that answers
at once. Prints for each the peak memory and its ratio to the smallest tree's, the time to the first caption,
images/s, and how long the same command takes when all is done. With --plan nothing is captioned: the texts
are there already, so that only finding and deciding is measured, which goes for millions in minutes.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT_DIR))

from PIL import Image  # noqa: E402

IMAGES_IN_FOLDER = 1000
LINKS = 50_000  # of one file; file systems have limits
POLL_S = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--plan", action="store_true", help="the texts are there already")
    arguments = parser.parse_args()
    smallest_mb = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        engine = start_engine(Path(scratch))
        try:
            for size in map(int, arguments.sizes.split(",")):
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    root = Path(folder, "data")
                    make_tree(root, size, with_texts=arguments.plan)
                    first = caption(root, Path(scratch, "engine.sock"))
                    again = caption(root, Path(scratch, "engine.sock"))
                smallest_mb = smallest_mb or first["peak_mb"]
                print(
                    f"{size} images: peak {first['peak_mb']:.0f} MB, "
                    f"{first['peak_mb'] / smallest_mb:.2f} of the smallest; "
                    f"{first['done']} captioned in {first['seconds']:.1f} s, {first['rate']:.0f} images/s, "
                    f"the first after {first['first_s']:.1f} s; again, all done: {again['seconds']:.1f} s, "
                    f"peak {again['peak_mb']:.0f} MB",
                    flush=True,
                )
        finally:
            engine.terminate()
            engine.wait()


def start_engine(folder: Path) -> subprocess.Popen[bytes]:
    socket = folder / "engine.sock"
    engine = subprocess.Popen([sys.executable, str(PROJECT_DIR / "bench/instant_engine.py"), str(socket)])
    while not socket.exists():
        time.sleep(POLL_S)
    return engine


def make_tree(root: Path, size: int, *, with_texts: bool) -> None:
    """Links to a few small pictures, a thousand in a folder."""
    root.mkdir()
    for number in range(size):
        folder = root / f"{number // IMAGES_IN_FOLDER:05}"
        if number % IMAGES_IN_FOLDER == 0:
            folder.mkdir()
        if number % LINKS == 0:
            original = folder / f"{number}.jpg"
            Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(original)
        else:
            os.link(original, folder / f"{number}.jpg")
        if with_texts:
            (folder / f"{number}.txt").write_text("a text")


def caption(root: Path, socket: Path) -> dict[str, float]:
    """One run, and its figures."""
    started = time.monotonic()
    run = subprocess.Popen(
        [sys.executable, "-m", "adapter", "caption", str(root), "--engine-url", f"unix:{socket}", "--json"],
        env=os.environ | {"PYTHONPATH": str(PROJECT_DIR)},
        stdout=subprocess.PIPE,
    )
    first_s = time_to_first_text(root, run, started)
    peak_kb = 0
    while run.poll() is None:
        peak_kb = max(peak_kb, peak_of(run.pid))
        time.sleep(POLL_S * 10)
    seconds = time.monotonic() - started
    assert run.stdout is not None
    result = json.loads(run.stdout.read())
    return {
        "peak_mb": peak_kb / 1024,
        "seconds": seconds,
        "first_s": first_s,
        "done": result["done"],
        "rate": result["images_per_s"],
    }


def time_to_first_text(root: Path, run: subprocess.Popen[bytes], started: float) -> float:
    """Seconds until the ledger has a text, which is in its place a moment later; or until the run's end."""
    ledger = f"{(root / '.joycaption/ledger.sqlite').as_uri()}?mode=ro"
    while run.poll() is None:
        time.sleep(POLL_S * 5)
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(ledger, timeout=1, uri=True)) as reader,
        ):
            if reader.execute("SELECT 1 FROM captions LIMIT 1").fetchone():
                break
    return time.monotonic() - started


def peak_of(process: int) -> int:
    """The largest resident set so far, in kB, as Linux counts it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), 0))


if __name__ == "__main__":
    main()
