"""The page's view for captioning folders, in a real browser."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image
from playwright.async_api import Page, expect

from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service

HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder with three pictures, one of them of a name that looks like markup, and a broken one."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("a.png", HOSTILE, "below/c.png")):
        Image.new("RGB", (20, 10), (number, 2, 3)).save(folder / name, "PNG")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


async def choose(page: Page, folder: Path) -> None:
    """Opens the view, and in it the folder."""
    await page.get_by_role("link", name="Datasets").click()
    await page.get_by_role("textbox", name="Folder").fill(str(folder))
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("region", name="Folder")).to_contain_text("4 images, 0 of them with a text")


async def test_a_folder_is_chosen_previewed_and_captioned(opened: Page, folder: Path) -> None:
    """Its captions are shown as they come, its failures by reason."""
    await choose(opened, folder)
    await opened.get_by_role("button", name="below").click()
    await expect(opened.get_by_role("region", name="Folder")).to_contain_text("1 images")
    await opened.get_by_role("button", name="The folder above").click()
    await opened.get_by_label("Trigger word, put first").fill("sks")
    await opened.get_by_role("button", name="Preview").click()
    await expect(opened.get_by_role("region", name="Preview")).to_contain_text("4 to caption")
    await opened.get_by_role("button", name="Caption this folder").click()
    run = opened.get_by_role("article", name="Run over")
    await expect(run).to_contain_text("Done")
    await expect(run).to_contain_text("3 captioned, 0 skipped, 1 failed of 4")
    await expect(run).to_contain_text(HOSTILE)
    pictures = run.locator("img")
    await expect(pictures).to_have_count(3)
    for number in range(3):
        await pictures.nth(number).scroll_into_view_if_needed()
    await until_drawn(opened, 3)
    await run.get_by_text("failed, not an image: 1").click()
    await expect(run).to_contain_text("broken.png: ")
    await expect(opened.get_by_role("region", name="Folder")).to_contain_text("3 of them with a text")
    assert (folder / "a.txt").read_text().startswith("sks, a picture ")


async def until_drawn(page: Page, count: int) -> None:
    """Waits until so many pictures have pixels."""
    await page.wait_for_function(
        "count => [...document.querySelectorAll('.newest img')]"
        ".filter(one => one.naturalWidth).length === count",
        arg=count,
    )


async def test_a_run_is_found_again_and_stopped(service: Service, opened: Page, folder: Path) -> None:
    """By a page that was closed meanwhile, and by a second one."""
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("A picture of something."))

    service.engine.answer = wait
    await choose(opened, folder)
    await opened.get_by_role("button", name="Caption this folder").click()
    await until(lambda: service.engine.under_way == 3)
    await opened.reload()
    second = await opened.context.new_page()
    await second.goto(f"{service.server.make_url('/')}#datasets")
    for page in (opened, second):
        await expect(page.get_by_role("article", name="Run over")).to_contain_text("Running")
    await second.get_by_role("button", name="Stop", exact=True).click()
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("Stopping")
    go_on.set()
    for page in (opened, second):
        await expect(page.get_by_role("article", name="Run over")).to_contain_text("Stopped")
    assert len(list(folder.rglob("*.txt"))) == 3


async def test_a_folder_that_is_not_there_is_told(opened: Page, tmp_path: Path) -> None:
    """In the service's words."""
    await opened.get_by_role("link", name="Datasets").click()
    await opened.get_by_role("textbox", name="Folder").fill(str(tmp_path / "none"))
    await opened.get_by_role("button", name="Open").click()
    await expect(opened.get_by_role("alert").first).to_contain_text("folder is not there")
