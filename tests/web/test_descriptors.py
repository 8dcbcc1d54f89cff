"""A service that runs out of descriptors says so, and is well again once there are some."""

import asyncio
import os
import re
import sys
from pathlib import Path

from aiohttp import ClientError, ClientSession

from adapter.config import PROJECT_DIR
from tests.fake_engine import FakeEngine
from tests.waiting import until

MAX_DESCRIPTORS = 60
CONNECTIONS = 80
NO_CONNECTION = 0
LIMIT_S = 120.0


async def test_a_service_without_descriptors_goes_on_when_it_has_some(picture: Path, tmp_path: Path) -> None:
    """Meanwhile a request gets 503 or no connection, and never a 500."""
    fake = FakeEngine()
    server = await fake.start()
    process = await asyncio.create_subprocess_exec(
        *(
            "prlimit",
            f"--nofile={MAX_DESCRIPTORS}:{MAX_DESCRIPTORS}",
            sys.executable,
            "-m",
            "adapter",
            "serve",
        ),
        *("--port", "0", "--engine-url", str(server.make_url("")), "--prepare-workers", "1"),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(PROJECT_DIR)},
    )
    assert process.stderr is not None
    output: list[str] = []

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            output.append(line.decode())

    reading = asyncio.create_task(read())
    async with asyncio.timeout(LIMIT_S):
        await until(lambda: "engine-1: ready" in "".join(output), LIMIT_S)
        url = re.findall(r"listening on (http://\S+)", "".join(output))[0]
        body = {"image_path": str(picture)}
        async with ClientSession(url) as session:

            async def status() -> int:
                try:
                    async with session.post("/caption", json=body) as response:
                        assert (await response.json())["success"] is (response.status == 200)
                        return response.status
                except ClientError:
                    return NO_CONNECTION

            assert await status() == 200
            port = int(url.rpartition(":")[2])
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
            statuses = [await status() for _ in range(5)]
            assert set(statuses) <= {200, 503, NO_CONNECTION}
            assert set(statuses) != {200}
            for _, writer in idle:
                writer.close()
            while await status() != 200:  # noqa: ASYNC110 - it says nothing when it accepts again
                await asyncio.sleep(0.2)
            assert await asyncio.gather(*(status() for _ in range(5))) == [200] * 5
    process.terminate()
    assert await process.wait() == 0
    await reading
    await server.close()
