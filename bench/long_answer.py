"""Does Node's fetch get an answer that takes longer than its timeouts? `python bench/long_answer.py`.

It serves with an engine that takes `--seconds` for a caption, asks by Node's fetch as AI-Toolkit's routes
do, and prints what came and when. The default, 330 s, is beyond Node's limits of 300 s.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from bench.stage import instant_engine, service

FETCH = """
const [url, image_path] = process.argv.slice(1);
const response = await fetch(url, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ image_path }),
});
console.log(JSON.stringify({ status: response.status, body: await response.json() }));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=330.0)
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        instant_engine(Path(folder), "--delay-s", str(seconds)) as engine_url,
        service(engine_url) as ours,
    ):
        image = Path(folder) / "picture.png"
        Image.new("RGB", (64, 64), "red").save(image)
        measure(f"{ours.url}/caption", image)


def measure(url: str, image: Path) -> None:
    """Prints what Node's fetch got, and after how long."""
    started = time.monotonic()
    asked = subprocess.run(
        ["node", "--input-type=module", "-e", FETCH, url, str(image)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(f"after {time.monotonic() - started:.1f} s: {asked.stdout.decode().strip()}")
    if asked.returncode == 0:
        answer = json.loads(asked.stdout)
        print(f"status {answer['status']}, caption {answer['body'].get('caption')!r}")


if __name__ == "__main__":
    main()
