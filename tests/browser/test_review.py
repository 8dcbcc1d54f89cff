"""The page's view for looking at texts and mending them, in a real browser."""

import os
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from playwright.async_api import Locator, Page, expect

from tests.waiting import until
from tests.web.conftest import Service

FOX = "A photograph of a red fox that stands in deep snow, with bare birches behind it."
CAT = "A grey cat sleeps on a wooden bench beside the river, in soft evening light."
LOOP = FOX + " The sky is grey today." * 6
REFUSAL = "I'm sorry, but I can't help with describing this image."
TAGS = "red_fox, snow, birch, outdoors, no_humans, winter"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder of six pictures: good texts, a loop, a refusal, tags, and one picture without a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    texts = {"a": FOX, "b": LOOP, "c": REFUSAL, "d": CAT, "e": TAGS, "f": None}
    for number, (name, text) in enumerate(texts.items()):
        Image.new("RGB", (40 + number, 20), (number, 2, 3)).save(folder / f"{name}.png")
        if text is not None:
            (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture
async def review(opened: Page, folder: Path) -> Page:
    """Gives the page with the folder open, all of it read."""
    await open_folder(opened, folder, 6)
    return opened


async def open_folder(page: Page, folder: Path, count: int) -> None:
    """Opens a folder of so many images."""
    await page.get_by_role("link", name="Review").click()
    await page.get_by_label("Folder", exact=True).fill(str(folder))
    await page.get_by_role("button", name="Open").click()
    await expect(status(page)).to_have_text(f"{count} of {count} images", timeout=30_000)


def status(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("status").first


def item(page: Page, name: str) -> Locator:
    """Gives an image's place in the list."""
    return page.get_by_role("listitem").filter(
        has=page.get_by_role("button", name=f"Show {name} at full size")
    )


async def names(page: Page) -> list[str]:
    """Gives the names of the images that are shown."""
    return await page.locator(".item .check .name").all_inner_texts()


async def until_names(page: Page, *expected: str) -> None:
    """Waits until just these images are shown."""
    await expect(page.locator(".item .check .name")).to_have_text(list(expected))


async def test_bad_captions_are_found_and_mended(review: Page, folder: Path) -> None:
    """As somebody would who has never seen a terminal: findings, edit, undo."""
    await review.get_by_text("Findings", exact=True).click()
    await review.get_by_role("button", name="refusal 1").click()
    await until_names(review, "c.png")
    await item(review, "c.png").get_by_role("button", name="Edit").click()
    area = review.get_by_label("Text of c.png")
    await area.fill("A wooden boat lies on a pebble beach at dusk.")
    await area.press("Control+Enter")
    await expect(item(review, "c.png")).to_contain_text("edited by hand")
    assert (folder / "c.txt").read_text() == "A wooden boat lies on a pebble beach at dusk."
    await review.get_by_role("button", name="Show all").click()
    await until_names(review, "a.png", "b.png", "c.png", "d.png", "e.png", "f.png")
    await review.get_by_role("button", name="Undo", exact=True).click()
    await expect(status(review)).to_contain_text("1 text is back as before")
    assert (folder / "c.txt").read_text() == REFUSAL
    await expect(item(review, "c.png")).to_contain_text(REFUSAL)


async def test_images_are_filtered_by_words_and_states(review: Page) -> None:
    """What is wrong in a filter is told."""
    query = review.get_by_label("Filter by words")
    await query.fill("fox AND NOT sky")
    await until_names(review, "a.png", "e.png")
    await query.fill("tag:red_fox OR cat")
    await until_names(review, "d.png", "e.png")
    await query.fill("(fox")
    await expect(review.get_by_role("alert").first).to_contain_text("q has an opening parenthesis")
    await query.fill("")
    await review.get_by_role("combobox", name="State").select_option("flawed")
    await until_names(review, "b.png", "c.png")
    await review.get_by_role("combobox", name="Flaw", exact=True).select_option("loop")
    await until_names(review, "b.png")
    await review.get_by_role("button", name="Show all").click()
    await review.get_by_role("combobox", name="Order").select_option("flawed")
    await until_names(review, "b.png", "c.png", "a.png", "d.png", "e.png", "f.png")


async def test_the_keyboard_alone_walks_edits_and_accepts(review: Page, folder: Path) -> None:
    """Next, previous, next flawed, edit, accept, select, undo, filter."""
    press = review.keyboard.press
    await review.locator("body").click(position={"x": 1, "y": 1})
    await press("n")
    await expect(item(review, "b.png")).to_be_focused()
    await press("a")
    await expect(item(review, "b.png").get_by_role("button", name="Accepted: take back")).to_be_visible()
    await press("n")
    await expect(item(review, "c.png")).to_be_focused()
    await press("e")
    await expect(review.get_by_label("Text of c.png")).to_be_focused()
    await press("Control+a")
    await review.keyboard.type("A boat lies on the beach in the evening.")
    await press("Control+Enter")
    await expect(item(review, "c.png")).to_be_focused()
    await press("j")
    await expect(item(review, "d.png")).to_be_focused()
    await press("x")
    await expect(status(review)).to_contain_text("1 selected")
    await press("k")
    await press("k")
    await expect(item(review, "b.png")).to_be_focused()
    await until(lambda: (folder / "c.txt").read_text() == "A boat lies on the beach in the evening.")
    await press("u")
    await until(lambda: (folder / "c.txt").read_text() == REFUSAL)
    await press("/")
    await expect(review.get_by_label("Filter by words")).to_be_focused()
    await review.keyboard.type("cat")
    await until_names(review, "d.png")


async def test_tags_are_chips(review: Page, folder: Path) -> None:
    """Dragged, moved by keys, removed and added; each change is saved at once."""
    chips = item(review, "e.png").get_by_role("list", name="Tags of e.png")

    async def until_tags(tags: str) -> None:
        """Waits until the page shows these tags, which it does once they are saved."""
        await expect(chips.locator(".chip")).to_have_text(tags.split(", "))
        assert (folder / "e.txt").read_text() == tags

    await chips.get_by_role("button", name="Remove birch").click()
    await until_tags("red_fox, snow, outdoors, no_humans, winter")
    await chips.get_by_label("Add a tag").fill("1girl, snow")
    await chips.get_by_label("Add a tag").press("Enter")
    await until_tags("red_fox, snow, outdoors, no_humans, winter, 1girl")
    await chips.locator(".chip", has_text="1girl").press("Alt+ArrowLeft")
    await until_tags("red_fox, snow, outdoors, no_humans, 1girl, winter")
    await expect(chips.locator(".chip", has_text="1girl")).to_be_focused()
    await review.keyboard.press("Delete")
    await until_tags("red_fox, snow, outdoors, no_humans, winter")
    await chips.locator("li", has_text="winter").drag_to(chips.locator("li", has_text="red_fox"))
    await until_tags("winter, red_fox, snow, outdoors, no_humans")


async def test_texts_are_found_and_replaced_after_a_preview(review: Page, folder: Path) -> None:
    """In what is filtered; the history takes it back."""
    await review.get_by_label("Filter by words").fill("fox")
    await until_names(review, "a.png", "b.png", "e.png")
    await review.get_by_text("Find and replace").click()
    await review.get_by_label("Find", exact=True).fill(r"\b(red)([ _])fox\b")
    await review.get_by_label("Replace by").fill(r"\1\2vixen")
    await review.get_by_label("Regular expression").check()
    await review.get_by_role("button", name="Preview in all 3 filtered images").click()
    preview = review.get_by_role("region", name="Preview of the change")
    await expect(preview).to_contain_text("3 texts would change")
    assert (
        await preview.locator("ins").all_inner_texts() == ["vixen"] * 3
        or await preview.locator("ins").all_inner_texts() == ["vi"] * 3
    )
    assert (folder / "a.txt").read_text() == FOX
    await preview.get_by_role("button", name="Change all 3").click()
    await expect(status(review)).to_contain_text("3 texts changed")
    assert (folder / "a.txt").read_text() == FOX.replace("fox", "vixen")
    assert (folder / "e.txt").read_text() == TAGS.replace("fox", "vixen")
    await review.get_by_role("complementary").get_by_text("Undo", exact=True).first.click()
    await review.get_by_role("complementary").get_by_role("button", name="Undo").first.click()
    await expect(status(review)).to_contain_text("3 texts are back as before")
    assert (folder / "e.txt").read_text() == TAGS


async def test_tags_are_added_to_selected_images(review: Page, folder: Path) -> None:
    """And to no others."""
    for name in ("a.png", "e.png"):
        await item(review, name).get_by_role("checkbox").check()
    await review.get_by_text("Add or remove tags").click()
    await review.get_by_label("Tags, separated by commas").fill("sks")
    await review.get_by_label("Before the text").check()
    await review.get_by_role("button", name="Preview adding to the 2 selected images").click()
    await review.get_by_role("button", name="Change all 2").click()
    await expect(status(review)).to_contain_text("2 texts changed")
    assert (folder / "a.txt").read_text() == f"sks, {FOX}"
    assert (folder / "e.txt").read_text() == f"sks, {TAGS}"
    assert (folder / "d.txt").read_text() == CAT


async def test_a_text_that_was_changed_elsewhere_is_shown_beside_ones_own(review: Page, folder: Path) -> None:
    """Nothing is lost until somebody chooses."""
    await item(review, "a.png").get_by_role("button", name="Edit").click()
    await review.get_by_label("Text of a.png").fill("Mine.")
    (folder / "a.txt").write_text("Theirs.")
    await review.get_by_label("Text of a.png").press("Control+Enter")
    conflict = item(review, "a.png").get_by_role("alert")
    await expect(conflict).to_contain_text("Mine.")
    await expect(item(review, "a.png")).to_contain_text("Theirs.")
    assert (folder / "a.txt").read_text() == "Theirs."
    await conflict.get_by_role("button", name="Use mine").click()
    await expect(conflict).to_have_count(0)
    assert (folder / "a.txt").read_text() == "Mine."


async def test_an_edit_is_saved_when_the_page_is_left(review: Page, folder: Path) -> None:
    """Without a key or a click that would save it."""
    await item(review, "a.png").get_by_role("button", name="Edit").click()
    await review.get_by_label("Text of a.png").fill("Typed at the last moment.")
    await review.goto("about:blank")
    await until(lambda: (folder / "a.txt").read_text() == "Typed at the last moment.")


async def test_images_are_captioned_again(review: Page, folder: Path) -> None:
    """The new caption stands beside the old one until somebody chooses."""
    await item(review, "f.png").get_by_role("button", name="Caption", exact=True).click()
    new = item(review, "f.png").get_by_role("region", name="New caption")
    await expect(new).to_contain_text("a picture ")
    assert not (folder / "f.txt").exists()
    await new.get_by_role("button", name="Use the new one").click()
    await expect(new).to_have_count(0)
    await until((folder / "f.txt").exists)
    for name in ("a.png", "b.png"):
        await item(review, name).get_by_role("checkbox").check()
    tools = review.get_by_role("complementary")
    await tools.get_by_text("Caption again", exact=True).click()
    await tools.get_by_label("Trigger word, put first").fill("sks")
    await tools.get_by_role("button", name="Caption the 2 selected images again").click()
    new = review.get_by_role("region", name="New caption")
    await expect(new).to_have_count(2)
    await item(review, "a.png").get_by_role("button", name="Keep the old one").click()
    await item(review, "b.png").get_by_role("button", name="Use the new one").click()
    await expect(new).to_have_count(0)
    assert (folder / "a.txt").read_text() == FOX
    assert (folder / "b.txt").read_text().startswith("sks, a picture ")
    await tools.get_by_role("button", name="Caption the 2 selected images again").click()
    await tools.get_by_role("button", name="Use all 2 new ones").click()
    await expect(new).to_have_count(0)
    await until(lambda: (folder / "a.txt").read_text().startswith("sks, a picture "))


async def test_words_and_tags_are_counted(review: Page) -> None:
    """Each leads to its images."""
    await review.get_by_text("Words and tags", exact=True).click()
    await review.get_by_role("button", name="Count in all 6 filtered images").click()
    await review.get_by_role("button", name="red fox 1").click()
    await until_names(review, "e.png")


async def test_names_and_texts_are_never_markup(opened: Page, tmp_path: Path) -> None:
    """Wherever they are shown."""
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / f"{HOSTILE}.png", "PNG")
    (folder / f"{HOSTILE}.txt").write_text(f"{HOSTILE} <b>bold</b> & a picture of something.")
    (folder / f"{HOSTILE}.{HOSTILE}.txt").write_text(f"{HOSTILE}, tag, <b>, other, more, again")
    await open_folder(opened, folder, 1)
    await expect(opened.get_by_role("listitem").first).to_contain_text(f"{HOSTILE} <b>bold</b>")
    await opened.get_by_text("Words and tags", exact=True).click()
    await opened.get_by_role("button", name="Count in all").click()
    await expect(opened.get_by_text("In 2 texts")).to_be_visible()
    assert await opened.locator("b, img[src=x]").count() == 0


async def test_an_image_opens_at_full_size_and_upright(opened: Page, tmp_path: Path) -> None:
    """Also one that browsers can't show themselves. Escape closes it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (640, 320)).save(folder / "a.jpg", exif=exif)
    Image.new("RGB", (640, 320)).save(folder / "b.tiff", exif=exif)
    await open_folder(opened, folder, 2)
    for name in ("a.jpg", "b.tiff"):
        await opened.get_by_role("button", name=f"Show {name} at full size").click()
        picture = opened.get_by_role("dialog").get_by_role("img", name=name)
        await opened.wait_for_function("() => document.querySelector('dialog img').naturalWidth > 0")
        size = await picture.evaluate("one => [one.naturalWidth, one.naturalHeight]")
        assert size == [320, 640]
        await opened.keyboard.press("Escape")
        await expect(opened.get_by_role("dialog")).to_have_count(0)


async def test_twenty_thousand_images_are_scrolled_through(opened: Page, tmp_path: Path) -> None:
    """Only those in sight are in the page, and the last ones come at once."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    for number in range(20_000):
        os.link(tmp_path / "one.png", folder / f"img{number}.png")
    for number in range(0, 20_000, 50):
        (folder / f"img{number}.txt").write_text(f"A photograph of the fox that has the number {number}.")
    await open_folder(opened, folder, 20_000)
    # Heights are guesses until they are measured, so that the first try may end a little above.
    await opened.wait_for_function(
        "() => { const all = document.querySelector('.items'); all.scrollTo(0, all.scrollHeight);"
        " return [...all.querySelectorAll('.name')].some(one => one.textContent === 'img19999.png'); }"
    )
    await expect(item(opened, "img19999.png")).to_be_visible()
    assert await opened.get_by_role("listitem").count() < 100
    await opened.get_by_label("Filter by words").fill("19950")
    await until_names(opened, "img19950.png")
    await opened.get_by_role("combobox", name="Layout").select_option("grid")
    await opened.get_by_label("Filter by words").fill("fox")
    await expect(status(opened)).to_contain_text("400 of 20000 images")
    await expect(item(opened, "img0.png")).to_be_visible()


@pytest.mark.parametrize("width", [360, 3840])
async def test_nothing_is_wider_than_the_window(review: Page, width: int) -> None:
    """From a telephone's to a large screen's."""
    await review.set_viewport_size({"width": width, "height": 800})
    await review.get_by_text("Find and replace").click()
    await expect(item(review, "a.png")).to_be_visible()
    assert await review.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_link_opens_a_folder(service: Service, opened: Page, folder: Path) -> None:
    """Such as a run's; the page finds the folder again after a reload by its link."""
    await opened.evaluate("folder => (location.hash = `review=${encodeURIComponent(folder)}`)", str(folder))
    await until_names(opened, "a.png", "b.png", "c.png", "d.png", "e.png", "f.png")
    await opened.goto("about:blank")
    await opened.goto(f"{service.server.make_url('/')}#review={folder}")
    await until_names(opened, "a.png", "b.png", "c.png", "d.png", "e.png", "f.png")


async def test_a_folder_that_is_not_there_is_told(opened: Page, tmp_path: Path) -> None:
    """In the service's words."""
    await opened.get_by_role("link", name="Review").click()
    await opened.get_by_label("Folder", exact=True).fill(str(tmp_path / "none"))
    await opened.get_by_role("button", name="Open").click()
    await expect(opened.get_by_role("alert").first).to_contain_text("folder is not there")
