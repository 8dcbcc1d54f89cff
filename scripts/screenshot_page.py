"""Makes the pictures in docs/ anew, with a running service: `python scripts/screenshot_page.py LINK`.

Needs Playwright and Chromium, as the tests do.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "demo/images/large-red-circle-center-on-blue.png"
BAD = "small-green-square-left-on-white.txt"


def main(link: str) -> None:
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary, "pictures")
        shutil.copytree(PICTURE.parent, folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 780})
        page.goto(link)
        page.get_by_text("Ready").wait_for()
        page.get_by_label("Image", exact=True).set_input_files(PICTURE)
        page.get_by_role("button", name="Compare other settings").click()
        second = page.get_by_role("article").nth(1)
        second.get_by_label("Style or caption type").select_option("style:booru")
        page.get_by_role("button", name="Caption with all settings").click()
        page.get_by_text(" tokens").nth(1).wait_for()
        page.wait_for_timeout(1500)  # until the engine's line has fallen idle
        page.screenshot(path=docs / "page-try.png")
        page.get_by_role("link", name="Datasets").click()
        page.get_by_role("textbox", name="Folder").fill(str(folder))
        page.get_by_role("button", name="Open").click()
        page.get_by_role("button", name="Caption this folder").click()
        page.get_by_text("Done").wait_for()
        page.wait_for_timeout(1500)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=docs / "page-datasets.png")
        # What a model may write on a bad day, so that there is something to be found.
        (folder / BAD).write_text("I'm sorry, but I can't help with describing this image.")
        page.get_by_role("link", name="Look at the texts").first.click()
        page.get_by_text("Findings", exact=True).click()
        page.get_by_role("combobox", name="Order").select_option("flawed")
        page.get_by_role("button", name="Caption again").first.click()
        page.get_by_role("region", name="New caption").get_by_role(
            "button", name="Use the new one"
        ).wait_for()
        page.wait_for_timeout(1500)
        page.screenshot(path=docs / "page-review.png")
        page.get_by_role("combobox", name="Layout").select_option("grid")
        page.get_by_text("Findings", exact=True).click()
        page.get_by_text("Find and replace").click()
        page.get_by_label("Find", exact=True).fill("circle")
        page.get_by_label("Replace by").fill("disc")
        page.get_by_role("button", name="Preview in all").click()
        page.get_by_text("would change").wait_for()
        page.wait_for_timeout(1500)
        page.screenshot(path=docs / "page-changes.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
