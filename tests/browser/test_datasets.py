"""The page's view for captioning folders, in a real browser."""

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image
from playwright.async_api import Page, Route, expect

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
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


async def choose(page: Page, folder: Path, told: str = "4 images, 0 of them with a text") -> None:
    """Opens the view, and in it the folder, of which this is told."""
    await page.get_by_role("link", name="Datasets").click()
    await page.get_by_role("textbox", name="Folder").fill(str(folder))
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("region", name="Folder")).to_contain_text(told)


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
    pictures = run.locator(":scope > .newest img")
    await expect(pictures).to_have_count(3)
    for number in range(3):
        await pictures.nth(number).scroll_into_view_if_needed()
    await until_drawn(opened, 3)
    await run.get_by_text("failed, not an image: 1").click()
    await expect(run.get_by_role("group")).to_contain_text("broken.pngNot an image")
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


async def test_a_run_is_paused_and_goes_on(service: Service, opened: Page, folder: Path) -> None:
    """Its dataset is free meanwhile, and its numbers go on where they were."""
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        if len(service.engine.asked) > 1:
            await go_on.wait()
        return web.json_response(completion("A picture of something."))

    service.engine.answer = wait
    await choose(opened, folder)
    await opened.get_by_role("button", name="Caption this folder").click()
    run = opened.get_by_role("article", name="Run over")
    await until(lambda: service.engine.under_way == 2)
    await run.get_by_role("button", name="Pause").click()
    go_on.set()
    await expect(run).to_contain_text("Paused")
    await expect(run).to_contain_text("3 captioned, 0 skipped")
    Image.new("RGB", (20, 10), (7, 7, 7)).save(folder / "later.png")
    await opened.reload()
    await run.get_by_role("button", name="Go on").click()
    await expect(run).to_contain_text("Done")
    await expect(run).to_contain_text("4 captioned, 0 skipped, 1 failed of 5")
    await run.get_by_role("link", name="Look at the texts").click()
    await expect(opened.locator(".item .check .name")).to_have_count(5)


async def test_a_path_that_is_typed_while_the_first_folder_opens_stays(opened: Page, folder: Path) -> None:
    """The answer of a slow disk doesn't take the words out of somebody's hands."""
    typed = asyncio.Event()

    async def late(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await opened.route("**/api/folders/events?path=", late)
    await opened.reload()
    await opened.get_by_role("link", name="Datasets").click()
    await opened.get_by_role("textbox", name="Folder").fill(str(folder))
    typed.set()
    await expect(opened.get_by_role("list", name="Folders")).to_be_attached()
    await expect(opened.get_by_role("textbox", name="Folder")).to_have_value(str(folder))


async def test_folders_tell_what_is_in_them_and_recent_ones_come_back(opened: Page, folder: Path) -> None:
    """With the number of their images and of those with a text."""
    (folder / "below/c.txt").write_text("mine")
    await choose(opened, folder, "4 images, 1 of them with a text")
    await expect(opened.get_by_role("button", name="below")).to_contain_text("1 of 1")
    await opened.get_by_role("button", name="Caption this folder").click()
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("Done")
    await opened.reload()
    await opened.get_by_text("Recent folders").click()
    await opened.get_by_role("list", name="Recent folders").get_by_role("button", name=str(folder)).click()
    await expect(opened.get_by_role("region", name="Folder")).to_contain_text("3 of them with a text")


async def test_a_folder_is_captioned_by_keyboard_alone(opened: Page, folder: Path) -> None:
    """Each control can be reached, and the buttons pressed."""

    async def reach(name: str, role: str) -> None:
        for _ in range(60):
            await opened.keyboard.press("Tab")
            found = await opened.evaluate("() => document.activeElement.textContent.trim()")
            tag = await opened.evaluate("() => document.activeElement.tagName")
            if (found, tag) == (name, role):
                return
        raise AssertionError(f"{name} can't be reached")

    await reach("Datasets", "A")
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("textbox", name="Folder")).to_be_visible()
    await opened.keyboard.press("Tab")
    while await opened.evaluate("() => document.activeElement.tagName") != "INPUT":
        await opened.keyboard.press("Tab")
    await opened.keyboard.press("Control+a")
    await opened.keyboard.type(str(folder))
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("region", name="Folder")).to_contain_text("4 images")
    await reach("Preview", "BUTTON")
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("region", name="Preview")).to_contain_text("4 to caption")
    await opened.keyboard.press("Tab")
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("3 captioned")


async def test_several_texts_are_made_for_each_image(opened: Page, folder: Path) -> None:
    """With the choices that the command has, too."""
    await choose(opened, folder)
    await opened.get_by_label("Style or caption type").select_option("type:Straightforward")
    await opened.get_by_text("Several texts for each image").click()
    for style in ("booru", "casual"):
        await opened.get_by_label(style, exact=True).check()
    await opened.get_by_text("More", exact=True).click()
    await opened.get_by_label("Folders below it too").uncheck()
    await opened.get_by_label("Before each caption").fill("Look: ")
    await opened.get_by_role("button", name="Caption this folder").click()
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("4 captioned")
    assert (folder / "a.booru.txt").read_text().startswith("Look: picture, "), "it has tags, by its own style"
    assert (folder / "a.casual.txt").read_text().startswith("Look: a picture ")
    assert not list((folder / "below").glob("*.txt"))


async def test_another_run_of_the_folder_is_told_of(opened: Page, folder: Path) -> None:
    """Before anything is begun, and in words when somebody tries."""
    with contextlib.closing(Ledger.open(ledger_path(str(folder)))):  # as joycaption caption has it
        await choose(opened, folder)
        await expect(opened.get_by_role("region", name="Folder")).to_contain_text("a run works on them")
        await opened.get_by_role("button", name="Caption this folder").click()
        told = "Another run works on this folder, perhaps that of joycaption caption"
        await expect(opened.get_by_role("alert").first).to_contain_text(told)
    await opened.get_by_role("button", name="Caption this folder").click()
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("Done")


async def test_each_image_gets_one_of_the_prompts(service: Service, opened: Page, folder: Path) -> None:
    """One per line; blank ones are none."""
    await choose(opened, folder)
    await opened.get_by_text("One of several prompts").click()
    await opened.get_by_label("One prompt per line").fill("Name its colour.\n\n  Name its shape. \n")
    await opened.get_by_role("button", name="Caption this folder").click()
    await expect(opened.get_by_role("article", name="Run over")).to_contain_text("3 captioned")
    asked = {body["messages"][1]["content"][1]["text"] for body in service.engine.asked}
    assert asked
    assert asked <= {"Name its colour.", "Name its shape."}


@pytest.mark.parametrize("width", [360, 3840])
async def test_nothing_is_wider_than_the_window(opened: Page, tmp_path: Path, width: int) -> None:
    """However long the names are, and whatever is unfolded."""
    folder = tmp_path / ("long-" * 40) / "pictures_without_a_place_to_break"
    (folder / ("below_" * 40)).mkdir(parents=True)
    Image.new("RGB", (20, 10), (1, 2, 3)).save(folder / f"{'x' * 240}.png")
    (folder / f"{'broken' * 40}.png").write_bytes(b"no image")
    await opened.set_viewport_size({"width": width, "height": 800})
    await choose(opened, folder, "2 images")
    await opened.get_by_role("button", name="Preview").click()
    await expect(opened.get_by_role("region", name="Preview")).to_contain_text("2 to caption")
    await opened.get_by_role("button", name="Caption this folder").click()
    run = opened.get_by_role("article", name="Run over")
    await expect(run).to_contain_text("1 captioned, 0 skipped, 1 failed")
    for summary in await opened.locator("summary").all():
        await summary.click()
    await opened.get_by_role("button", name="Preview").click()
    await expect(opened.get_by_role("region", name="Preview")).to_contain_text("1 have a text")
    assert await opened.evaluate("document.documentElement.scrollWidth") <= width
    for place in ("main", ".folders button", ".newest dt", "summary", ".preview p"):
        right = await opened.locator(place).evaluate_all(
            "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        )
        assert 0 < right <= width, place


async def test_a_run_s_speed_is_drawn(service: Service, opened: Page, tmp_path: Path) -> None:
    """Once there is something to draw."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        Image.new("RGB", (9, 9), (number, 2, 3)).save(folder / f"{number}.png")

    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.06 * len(service.engine.asked))
        return web.json_response(completion("A picture of something."))

    service.engine.answer = slowly
    await choose(opened, folder, "60 images, 0 of them with a text")
    await opened.get_by_role("button", name="Caption this folder").click()
    plot = opened.get_by_role("img", name="Images per second")
    await expect(plot).to_be_visible(timeout=20_000)
    await expect(plot).to_have_accessible_name(re.compile("in the mean"))
