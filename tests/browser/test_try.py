"""The page's view for trying captions, in a real browser."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from adapter.web.pages.session import load_token
from tests.fake_engine import chunk, completion, event
from tests.web.conftest import Service

MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"


async def caption(page: Page, picture: Path) -> None:
    """Chooses the picture, and asks for its caption."""
    await page.get_by_label("Image", exact=True).set_input_files(picture)
    await page.get_by_role("button", name="Caption", exact=True).click()


async def test_a_picture_gets_its_caption(opened: Page, picture: Path) -> None:
    """With time, tokens, and the exact prompt."""
    await caption(opened, picture)
    result = opened.get_by_role("region", name="Caption")
    await expect(result).to_contain_text("a picture ")
    await expect(result).to_contain_text("5 tokens")
    await result.get_by_text("The exact prompt").click()
    await expect(result).to_contain_text("Write a descriptive caption for this image in a formal tone.")
    await expect(opened.get_by_role("img", name="picture.png")).to_be_visible()


async def test_the_caption_comes_word_by_word_and_is_judged(
    service: Service, opened: Page, picture: Path
) -> None:
    """What the model writes is text, whatever it looks like."""
    go_on = asyncio.Event()

    async def write(request: web.Request) -> web.StreamResponse:
        response = await service.engine.begin_stream(request)
        await response.write(event(chunk({"content": f"{MARKUP} in a picture of a fox. "})))
        await go_on.wait()
        await response.write(event(chunk({"content": "A watermark is in the corner, too, as"})))
        await response.write(event(chunk({"content": ""}, "length")))
        usage = completion("")["usage"]
        await response.write(event(chunk({}) | {"choices": [], "usage": usage}) + b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    service.engine.answer = write
    await caption(opened, picture)
    result = opened.get_by_role("region", name="Caption")
    await expect(result).to_contain_text(MARKUP)
    await expect(result).to_contain_text("Writing …")
    assert await result.locator("img, b").count() == 0
    go_on.set()
    await expect(result.get_by_role("list", name="Flaws").get_by_role("listitem")).to_have_text(
        ["cut", "watermark"]
    )
    await expect(result).to_contain_text("cut at its limit")


async def test_settings_stand_side_by_side(service: Service, opened: Page, picture: Path) -> None:
    """Up to four, each with its own choices, on the same image."""
    more = opened.get_by_role("button", name="Compare other settings")
    for _ in range(3):
        await more.click()
    await expect(more).to_be_disabled()
    _, second, third, fourth = [opened.get_by_role("article").nth(number) for number in range(4)]
    await second.get_by_label("Style or caption type").select_option("type:Straightforward")
    await second.get_by_label("Length").select_option("words")
    await second.get_by_label("Words", exact=True).fill("20")
    await second.get_by_text("Options").click()
    await second.get_by_label("Include information about lighting.").check()
    await third.get_by_text("Your own prompt").click()
    await third.get_by_label("Prompt, in place of all above").fill("Which colour?")
    await third.get_by_text("Sampling").click()
    await third.get_by_label("Temperature").fill("0.1")
    await fourth.get_by_role("button", name="Remove settings 4").click()
    await opened.get_by_label("Image", exact=True).set_input_files(picture)
    await opened.get_by_role("button", name="Caption with all settings").click()
    await expect(opened.get_by_role("region", name="Caption")).to_have_count(3)
    await expect(opened.get_by_text("5 tokens")).to_have_count(3)
    asked = {body["messages"][1]["content"][1]["text"]: body for body in service.engine.asked}
    assert len(asked) == 3
    assert asked["Which colour?"]["temperature"] == 0.1
    (straight,) = [prompt for prompt in asked if prompt.startswith("Write a straightforward caption")]
    assert "within 20 words" in straight
    assert straight.endswith("Include information about lighting.")


async def test_settings_are_copied_as_other_clients_commands(opened: Page) -> None:
    """Into the clipboard, or as a text where the browser doesn't let us."""
    await opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    article = opened.get_by_role("article")
    await article.get_by_label("Style or caption type").select_option("type:Art Critic")
    await article.get_by_text("Sampling").click()
    await article.get_by_label("Seed").fill("7")
    for kind, piece in (
        ("curl", '"caption_type":"Art Critic"'),
        ("python", 'extra_body={"caption_type":"Art Critic","caption_length":"long"}'),
        ("command", "--caption-type 'Art Critic'"),
    ):
        await article.get_by_label("Copy as").select_option(kind)
        await expect(article.get_by_text("Copied")).to_be_visible()
        copied = await opened.evaluate("navigator.clipboard.readText()")
        assert piece in copied
        assert "7" in copied
    await opened.evaluate(
        "() => { navigator.clipboard.writeText = async () => { throw new Error('not here'); }; }"
    )
    await article.get_by_label("Copy as").select_option("command")
    await expect(article).to_contain_text("joycaption caption FOLDER")


async def test_an_error_is_shown_where_the_caption_would_be(opened: Page, tmp_path: Path) -> None:
    """In the service's words."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    await caption(opened, broken)
    await expect(opened.get_by_role("region", name="Caption").get_by_role("alert")).to_contain_text("image")


async def test_the_page_is_used_by_keyboard_alone(opened: Page, picture: Path) -> None:
    """Each control can be reached, and the button pressed."""
    await opened.get_by_label("Image", exact=True).set_input_files(picture)
    button = opened.get_by_role("button", name="Caption", exact=True)
    for _ in range(30):
        await opened.keyboard.press("Tab")
        if await button.evaluate("one => one === document.activeElement"):
            break
    await opened.keyboard.press("Enter")
    await expect(opened.get_by_role("region", name="Caption")).to_contain_text("5 tokens")


@pytest.mark.parametrize("width", [360, 3840])
async def test_nothing_is_wider_than_the_window(opened: Page, picture: Path, width: int) -> None:
    """From a telephone's to a large screen's."""
    await opened.set_viewport_size({"width": width, "height": 800})
    await caption(opened, picture)
    await expect(opened.get_by_role("region", name="Caption")).to_contain_text("5 tokens")
    assert await opened.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_stranger_sees_a_door(service: Service, page: Page, tmp_path: Path) -> None:
    """Which the link's token opens, and nothing else. A reload needs no token any more."""
    await page.goto(str(service.server.make_url("/")))
    await page.get_by_label("Or paste the link's token, or the service's key").fill("wrong")
    await page.get_by_role("button", name="Open the page").click()
    await expect(page.get_by_role("alert")).to_contain_text("neither this service's token nor its key")
    token = load_token(tmp_path / "data")
    await page.get_by_label("Or paste the link's token, or the service's key").fill(token)
    await page.get_by_role("button", name="Open the page").click()
    await page.get_by_text("Ready").wait_for()
    await page.reload()
    await page.get_by_text("Ready").wait_for()
    assert token not in page.url
    assert token not in str(await page.context.cookies())


async def test_the_engine_s_line_says_what_is_so(starting: Service, page: Page, tmp_path: Path) -> None:
    """From its start on, and when the service has gone."""
    await page.goto(f"{starting.server.make_url('/')}#token={load_token(tmp_path / 'data')}")
    status = page.get_by_role("banner").get_by_role("status")
    await expect(status).to_contain_text("Starting")
    starting.engine.healthy = True
    await expect(status).to_contain_text("Ready", timeout=20_000)
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.get_by_role("button", name="Stop the service").click()
    await asyncio.sleep(0)
    await expect(page.get_by_role("button", name="Stop the service")).to_be_visible()
    await starting.server.close()
    await expect(status).to_contain_text("can't be reached")
    assert starting.stopped == [True]


async def test_settings_are_saved_as_a_style(
    service: Service, opened: Page, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is chosen then, there again after a reload, and can be deleted."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    article = opened.get_by_role("article")
    await article.get_by_text("Your own prompt").click()
    await article.get_by_label("Prompt, in place of all above").fill("Which colour is it?")
    await article.get_by_text("Sampling").click()
    await article.get_by_label("Temperature").fill("0.1")
    await article.get_by_label("Save as a style").fill("a/b")
    await article.get_by_role("button", name="Save", exact=True).click()
    await expect(article.get_by_role("alert")).to_contain_text("nor have a slash")
    await article.get_by_label("Save as a style").fill("colour")
    await article.get_by_role("button", name="Save", exact=True).click()
    await expect(article.get_by_text("Saved as colour")).to_be_visible()
    kinds = article.get_by_label("Style or caption type")
    await expect(kinds).to_have_value("style:colour")
    await expect(article.get_by_label("Temperature")).to_have_attribute("placeholder", "0.1")
    await opened.reload()
    await kinds.select_option("style:colour")
    await caption(opened, picture)
    await expect(opened.get_by_role("region", name="Caption")).to_contain_text("5 tokens")
    assert service.last_asked["temperature"] == 0.1
    assert service.last_asked["messages"][1]["content"][1]["text"] == "Which colour is it?"
    await article.get_by_role("button", name="Delete the style colour").click()
    await expect(kinds).to_have_value("style:descriptive")
    await expect(kinds.locator("option", has_text="colour")).to_have_count(0)


@pytest.mark.parametrize(
    "starting", [{"api_key": "a key of some length", "allowed_roots": "/"}], indirect=True
)
async def test_the_key_opens_the_page(service: Service, page: Page) -> None:
    """And isn't kept in the browser."""
    await page.goto(str(service.server.make_url("/")))
    await page.get_by_label("Or paste the link's token, or the service's key").fill("a key of some length")
    await page.get_by_role("button", name="Open the page").click()
    await page.get_by_text("Ready").wait_for()
    assert "a key" not in str(await page.context.storage_state())
