"""A service that is killed under the open page, in a real browser."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from PIL import Image
from playwright.async_api import Page, expect

from adapter.web.pages.session import load_token
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

TEXT = "A photograph of a red fox that stands in deep snow, with bare birches behind it."


@contextlib.asynccontextmanager
async def serving(port: int, engine_url: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the service as a process of its own, which is killed at the end."""
    environment = os.environ | {
        "CAPTION_PORT": str(port),
        "CAPTION_ENGINE_URL": engine_url,
        "CAPTION_DATA_DIR": str(folder / "data"),
        "CAPTION_RUN_DIR": str(folder / "run"),
        "CAPTION_LOG_DIR": str(folder / "log"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapter", "serve", stderr=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    while b"listening" not in await process.stderr.readline():
        assert process.returncode is None
    reading = asyncio.create_task(process.stderr.read())
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        await reading


async def test_the_page_finds_the_service_again_and_the_run_goes_on(page: Page, tmp_path: Path) -> None:
    """Also the dataset that was under review. Nothing is lost, and nothing is made twice."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (9, 9), (number, 2, 3)).save(folder / f"{number}.png")
    engine = FakeEngine()
    server = await engine.start()
    go_on = asyncio.Event()

    made = 0

    async def wait(request: web.Request) -> web.StreamResponse:
        nonlocal made
        made += 1
        if made > 3:
            await go_on.wait()
        return web.json_response(completion(TEXT))

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    status = page.get_by_role("banner").get_by_role("status")
    run = page.get_by_role("article", name="Run over")
    async with serving(port, str(server.make_url("")), tmp_path):
        await page.goto(f"http://127.0.0.1:{port}/#token={load_token(tmp_path / 'data')}")
        await expect(status).to_contain_text("Ready")
        await page.get_by_role("link", name="Review").click()
        await page.get_by_label("Folder", exact=True).fill(str(folder))
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator(".item .check .name")).to_have_count(6)
        await page.get_by_role("link", name="Datasets").click()
        await page.get_by_role("textbox", name="Folder").fill(str(folder))
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_role("region", name="Folder")).to_contain_text("6 images")
        engine.answer = wait
        await page.get_by_role("button", name="Caption this folder").click()
        await until(lambda: len(list(folder.glob("*.txt"))) == 3)
        await expect(run).to_contain_text("Running")
    await expect(status).to_contain_text("can't be reached")
    go_on.set()
    engine.answer = None
    async with serving(port, str(server.make_url("")), tmp_path):
        await expect(status).to_contain_text("Ready", timeout=20_000)
        await expect(run).to_contain_text("Done", timeout=20_000)
        assert len(list(folder.glob("*.txt"))) == 6
        assert not list(folder.glob(".joycaption-*"))
        await page.get_by_role("link", name="Review").click()
        await expect(page.locator(".item").first).to_contain_text("by the model", timeout=20_000)
        await page.locator(".item").first.get_by_role("button", name="Edit").click()
        await page.get_by_label("Text of 0.png").fill("Mine.")
        await page.get_by_label("Text of 0.png").press("Control+Enter")
        await until(lambda: (folder / "0.txt").read_text() == "Mine.")
    await server.close()
