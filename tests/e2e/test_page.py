"""The page with the demonstration model behind it, in a real browser."""

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
