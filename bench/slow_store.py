"""A store that is slow to answer: `python bench/slow_store.py FOLDER --delay-s 1`. Prints its port.

It speaks as much of S3 as reading needs, of the files in the folder as a bucket called `bucket`.
"""

import argparse
import asyncio
from pathlib import Path

from aiohttp import web


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay-s", type=float, default=1.0)
    given = parser.parse_args()

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(given.delay_s)
        path = given.folder / request.match_info["name"]
        if not path.is_file():
            return web.Response(status=404)
        size = path.stat().st_size
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(size)})
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        with path.open("rb") as file:
            file.seek(first)
            content = file.read(last + 1 - first)
        span = f"bytes {first}-{first + len(content) - 1}/{size}"
        return web.Response(status=206, body=content, headers={"Content-Range": span})

    app = web.Application()
    app.router.add_route("*", "/bucket/{name:[^/]+}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
