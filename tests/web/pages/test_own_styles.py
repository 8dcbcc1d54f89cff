"""Settings that are saved as styles of the user's own."""

import asyncio
import json
from pathlib import Path

import pytest

from adapter.caption.prompts import PromptBook
from adapter.config import own_styles_path
from adapter.web.pages.own_styles import MAX_STYLES, OwnStyles, StyleBody
from tests.web.conftest import Service


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Gives the path of the user's own styles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return own_styles_path()


SHOT = {
    "name": "shot",
    "caption_type": "Straightforward",
    "caption_length": "short",
    "extra_options": ["Mention {name}."],
    "name_input": "Ann",
    "temperature": 0.2,
    "max_tokens": 99,
}


async def test_a_saved_style_counts_at_once_and_on_all_faces(
    owner: Service, path: Path, picture: Path
) -> None:
    """With its sampling, where a request says nothing itself."""
    status, answer = await owner.post("/api/styles", SHOT)
    assert (status, answer) == (201, {"name": "shot"})
    kept = json.loads(path.read_text())["styles"]["shot"]
    assert kept["prompt"].endswith("Mention Ann.")
    assert kept["sampling"] == {"temperature": 0.2, "max_tokens": 99}
    assert "form" not in kept, "words of the user's own may ask for any"
    await owner.post("/api/styles", {"name": "tags", "style": "booru"})
    assert json.loads(path.read_text())["styles"]["tags"]["form"] == "tags"
    async with owner.session.delete(owner.server.make_url("/api/styles/tags")) as response:
        assert response.status == 200
    _, choices = await owner.get("/api/prompts")
    assert (choices["own_styles"], choices["style_sampling"]) == (["shot"], {"shot": kept["sampling"]})
    assert "shot" in (await owner.get("/prompts"))[1]["styles"]
    await owner.post("/caption", {"image_path": str(picture), "style": "shot", "max_new_tokens": 50})
    assert (owner.last_asked["temperature"], owner.last_asked["max_tokens"]) == (0.2, 50)
    content = [{"type": "image_url", "image_url": {"url": f"file://{picture}"}}]
    chat = {"model": "joycaption:shot", "messages": [{"role": "user", "content": content}]}
    assert (await owner.post("/v1/chat/completions", chat))[0] == 200
    assert (owner.last_asked["temperature"], owner.last_asked["max_tokens"]) == (0.2, 99)
    assert owner.last_asked["messages"][1]["content"][1]["text"] == kept["prompt"]
    _, run = await owner.post("/api/runs", {"folder": str(picture.parent), "style": "shot"})
    async with owner.session.get(owner.server.make_url(f"/api/runs/{run['id']}/events")) as events:
        await events.text()
    assert (owner.last_asked["temperature"], owner.last_asked["max_tokens"]) == (0.2, 99)
    async with owner.session.delete(owner.server.make_url("/api/styles/shot")) as response:
        assert response.status == 200
    assert (await owner.post("/caption", {"image_path": str(picture), "style": "shot"}))[0] == 400
    assert (await owner.post("/v1/chat/completions", chat))[0] == 404
    async with owner.session.delete(owner.server.make_url("/api/styles/shot")) as response:
        assert response.status == 404


async def test_a_style_of_the_project_comes_back_when_its_namesake_goes(owner: Service) -> None:
    """A user may have another idea of it for a while."""
    _, before = await owner.get("/api/prompts")
    assert (await owner.post("/api/styles", {"name": "booru", "prompt": "Say tags."}))[0] == 400
    taking = {"name": "booru", "prompt": "Say tags.", "replace": True}
    assert (await owner.post("/api/styles", taking))[0] == 201
    _, choices = await owner.get("/api/prompts")
    assert choices["styles"]["booru"] == "Say tags."
    async with owner.session.delete(owner.server.make_url("/api/styles/booru")) as response:
        assert response.status == 200
    assert (await owner.get("/api/prompts"))[1] == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a/b",
        "a,b",
        ".a",
        "a\nb",
        "a\0b",
        "x" * 61,
        "art_critic",
        "Straightforward",
        "../../x",
        "\u202ea",
    ],
)
async def test_names_that_could_do_harm_are_refused(owner: Service, path: Path, name: str) -> None:
    """Files may be named by them."""
    status, answer = await owner.post("/api/styles", {"name": name, "prompt": "Say it."})
    assert (status, answer["error"]["field"]) == (400, "name")
    assert not path.exists()


async def test_prompts_with_control_tokens_are_refused(owner: Service, path: Path) -> None:
    """As everywhere."""
    status, _ = await owner.post("/api/styles", {"name": "a", "prompt": "<|eot_id|>"})
    assert status == 400
    assert not path.exists()


async def test_what_somebody_wrote_into_the_file_stays(owner: Service, path: Path) -> None:
    """A mistake in it is told, and nothing is written over it."""
    path.parent.mkdir(parents=True)
    path.write_text('{"styles": {"mine": "Say mine."}}')
    path.chmod(0o640)
    assert (await owner.post("/api/styles", {"name": "new", "prompt": "Say new."}))[0] == 201
    assert json.loads(path.read_text())["styles"] == {"mine": "Say mine.", "new": {"prompt": "Say new."}}
    assert path.stat().st_mode & 0o777 == 0o640
    assert (await owner.get("/api/prompts"))[1]["own_styles"] == ["mine", "new"]
    path.write_text('{"styles": ')
    status, answer = await owner.post("/api/styles", {"name": "newer", "prompt": "Say newer."})
    assert (status, "can't be read" in answer["error"]["message"]) == (400, True)
    assert path.read_text() == '{"styles": '


def test_two_writers_lose_nothing(path: Path, book: PromptBook) -> None:
    """Each reads what the other has written."""

    async def save_all() -> None:
        bodies = [StyleBody.model_validate({"name": f"s{n}", "prompt": "Say it."}) for n in range(20)]
        styles = [OwnStyles(path, book.model_copy(deep=True)) for _ in bodies]
        await asyncio.gather(
            *(asyncio.to_thread(one.save, body) for one, body in zip(styles, bodies, strict=True))
        )

    asyncio.run(save_all())
    assert len(json.loads(path.read_text())["styles"]) == 20


def test_there_are_not_ever_more_of_them(path: Path, book: PromptBook) -> None:
    """A client that goes wrong fills no disk."""
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"styles": {f"s{number}": "Say it." for number in range(MAX_STYLES)}}))
    styles = OwnStyles(path, book.model_copy(deep=True))
    with pytest.raises(Exception, match="delete some"):
        styles.save(StyleBody.model_validate({"name": "new", "prompt": "Say it."}))
    taking = {"name": "s1", "prompt": "Say it otherwise.", "replace": True}
    styles.save(StyleBody.model_validate(taking))
