"""Does Node's fetch, with its timeouts of 300 s, get an answer that takes longer?

`python bench/long_answer.py` serves with an engine that takes `--seconds` for a caption, asks by Node's fetch
as AI-Toolkit's routes do, and prints what came and when. The default, 330 s, is beyond Node's limits.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from adapter.config import PROJECT_DIR, Settings
from adapter.prompts import PromptBook
from adapter.web.app import make_app
from adapter.web.keys import ENGINE
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

FETCH = """
const [url, image_path] = process.argv.slice(1);
const response = await fetch(url, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ image_path }),
});
console.log(JSON.stringify({ status: response.status, body: await response.json() }));
"""


async def measure(seconds: float, image: Path) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.json_response(completion("late, but there"))

    engine = FakeEngine()
    engine_server = await engine.start()
    settings = Settings.load({"engine_url": str(engine_server.make_url(""))})
    app = make_app(settings, PromptBook.load(PROJECT_DIR / "styles.json"))
    async with TestServer(app) as server:
        await until(lambda: app[ENGINE].ready)
        engine.answer = late
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            "node", "--input-type=module", "-e", FETCH, str(server.make_url("/caption")), str(image),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        print(f"after {time.monotonic() - started:.1f} s: {output.decode().strip()}")
        if process.returncode == 0:
            answer = json.loads(output)
            print(f"status {answer['status']}, caption {answer['body'].get('caption')!r}")
    await engine_server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=330.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "picture.png"
        Image.new("RGB", (64, 64), "red").save(image)
        asyncio.run(measure(arguments.seconds, image))


if __name__ == "__main__":
    main()
