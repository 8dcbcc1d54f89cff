"""The page with the demonstration model behind it, in a real browser."""

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from adapter.web.pages.session import load_token
from demo.captions import caption
from demo.samples import FOLDER, SAMPLES
from tests.browser.conftest import browser, page
from tests.e2e.conftest import RunningService

__all__ = ["browser", "page"]

pytestmark = pytest.mark.xdist_group("service")


async def test_each_style_and_type_can_be_tried(service: RunningService, page: Page) -> None:
    """Its caption is what the model was taught to say, and nothing is wrong with it."""
    name, (scene, _) = next(iter(SAMPLES.items()))
    token = load_token(service.log.parent / "data")
    assert f"{service.url}/#token={token}" in service.log.read_text()
    await page.goto(f"{service.url}/#token={token}")
    await page.get_by_text("Ready").wait_for()
    await page.get_by_label("Image", exact=True).set_input_files(FOLDER / name)
    kinds = page.get_by_label("Style or caption type")
    values = await kinds.locator("option").evaluate_all("all => all.map(one => one.value)")
    assert len(values) == 18
    await page.get_by_text("Sampling").click()
    await page.get_by_label("Temperature").fill("0")
    result = page.get_by_role("region", name="Caption")
    for value in values:
        await kinds.select_option(value)
        await page.get_by_role("button", name="Caption", exact=True).click()
        await expect(result).to_contain_text(" tokens", timeout=30_000)
        await expect(result.get_by_role("list", name="Flaws")).to_have_count(0)
        if value == "style:descriptive":
            await expect(result).to_contain_text(caption(scene, "descriptive"))


async def test_a_folder_is_captioned(service: RunningService, page: Page, tmp_path: Path) -> None:
    """By somebody who never saw a terminal after the start."""
    for name in SAMPLES:
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    await page.goto(f"{service.url}/#token={load_token(service.log.parent / 'data')}")
    await page.get_by_text("Ready").wait_for()
    await page.get_by_role("link", name="Datasets").click()
    await page.get_by_role("textbox", name="Folder").fill(str(tmp_path))
    await page.get_by_role("button", name="Open").click()
    await page.get_by_text("Sampling").click()
    await page.get_by_label("Temperature").fill("0")
    await page.get_by_role("button", name="Caption this folder").click()
    run = page.get_by_role("article", name=f"Run over {tmp_path}")
    await expect(run).to_contain_text("Done", timeout=60_000)
    await expect(run).to_contain_text(f"{len(SAMPLES)} captioned, 0 skipped, 1 failed")
    for name, (scene, _) in SAMPLES.items():
        text = (tmp_path / name).with_suffix(".txt").read_text()
        assert text == caption(scene, "descriptive")
        await expect(run).to_contain_text(text)


async def test_bad_captions_are_found_and_mended(service: RunningService, page: Page, tmp_path: Path) -> None:
    """By the same somebody: three of them, each by another one of the model's."""
    bad = {
        "refusal": "I'm sorry, but I can't help with describing this image.",
        "loop": "The image shows a circle. " + "It is on the left of it. " * 8,
        "leak": "The image shows a circle.<|eot_id|>assistant",
    }
    for name, (scene, _) in SAMPLES.items():
        shutil.copy(FOLDER / name, tmp_path)
        (tmp_path / name).with_suffix(".txt").write_text(caption(scene, "descriptive"))
    spoiled = list(SAMPLES)[: len(bad)]
    for name, text in zip(spoiled, bad.values(), strict=True):
        (tmp_path / name).with_suffix(".txt").write_text(text)
    await page.goto(f"{service.url}/#token={load_token(service.log.parent / 'data')}")
    await page.get_by_text("Ready").wait_for()
    await page.get_by_role("link", name="Review").click()
    await page.get_by_label("Folder", exact=True).fill(str(tmp_path))
    await page.get_by_role("button", name="Open").click()
    await page.get_by_text("Findings", exact=True).click()
    for kind in bad:
        await expect(page.get_by_role("button", name=f"{kind} 1")).to_be_visible()
    await page.get_by_role("combobox", name="State").select_option("flawed")
    await expect(page.locator(".item .check .name")).to_have_text(sorted(spoiled))
    tools = page.get_by_role("complementary")
    await tools.get_by_text("Caption again", exact=True).click()
    await tools.get_by_text("Sampling").click()
    await tools.get_by_label("Temperature").fill("0")
    for name in sorted(spoiled):
        item = page.get_by_role("listitem").filter(has=page.get_by_text(name, exact=True))
        await item.get_by_role("button", name="Caption again").click()
        await item.get_by_role("button", name="Use the new one").click(timeout=60_000)
        await expect(item).to_contain_text("edited by hand")
    for name, (scene, _) in SAMPLES.items():
        assert (tmp_path / name).with_suffix(".txt").read_text() == caption(scene, "descriptive")
