"""A real browser, and the whole service behind its page, with a fake engine behind that."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from adapter.web.pages.session import load_token
from tests.web.conftest import Service, service, starting

__all__ = ["service", "starting"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Gives the machine's own Chromium, without a window."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    assert found, "the tests of the page need Chromium: apt-get install chromium"
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # which root can't have
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=sandbox)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Gives an empty page of a browser that knows nothing. Nothing may go wrong in it unseen."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    await context.close()
    assert not wrong


@pytest.fixture
async def opened(service: Service, page: Page, tmp_path: Path) -> Page:
    """Gives the page, opened by its link."""
    await page.goto(f"{service.server.make_url('/')}#token={load_token(tmp_path / 'data')}")
    await page.get_by_text("Ready").wait_for()
    return page
