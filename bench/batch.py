"""How much faster is one batch than the same images one by one? `python bench/batch.py [--url URL]`.

It asks a service that runs already. It draws pictures that differ, captions them greedily by `/caption`
one after the other and by one `/batch_caption`, and prints the ratio of the two; each time is the median
of several runs after a warm-up. Unless told otherwise, it asks for what AI-Toolkit's UI asks for: a long
description.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.stage import draw_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--caption-type", default="Descriptive")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in draw_scenes(Path(folder), arguments.images, side_px=512)]
        fields = {"caption_type": arguments.caption_type, "do_sample": False}

        def one_by_one() -> list[str]:
            return [
                post(arguments.url, "/caption", {"image_path": path, **fields})["caption"] for path in paths
            ]

        def batch() -> list[str]:
            answer = post(arguments.url, "/batch_caption", {"image_paths": paths, **fields})
            return [result["caption"] for result in answer["results"]]

        batch()  # warm-up
        singles_s, singles = median(one_by_one, arguments.runs)
        batch_s, batched = median(batch, arguments.runs)
    same = sum(a == b for a, b in zip(singles, batched, strict=True))
    print(f"one by one  {singles_s:7.2f} s  {len(paths) / singles_s:7.1f} images/s")
    print(f"one batch   {batch_s:7.2f} s  {len(paths) / batch_s:7.1f} images/s")
    print(f"ratio       {singles_s / batch_s:7.2f}    same captions: {same} of {len(paths)}")


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Gives the service's answer."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def median(work: Callable[[], list[str]], runs: int) -> tuple[float, list[str]]:
    """Gives the median of the seconds that `work` takes, and its last result."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


if __name__ == "__main__":
    main()
