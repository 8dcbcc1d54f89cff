"""Datasets under review behind the page: their items, texts, changes, findings."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.dataset.texts.text_file import content_hash
from tests.web.conftest import Service

FOX = "A photograph of a red fox that stands in deep snow, with bare birches behind it."
CAT = "A grey cat sleeps on a wooden bench beside the river, in soft evening light."
LOOP = FOX + " The sky is grey today." * 6
TAGS = "red_fox, snow, birch, outdoors, no_humans, winter"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder of five pictures: one text by the model, one looping, one image with two texts."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("img2", "img10", "below/c", "d", "e")):
        Image.new("RGB", (20 + number, 10), (number, 2, 3)).save(folder / f"{name}.png")
    (folder / "img2.txt").write_text(FOX)
    (folder / "img10.txt").write_text(CAT)
    (folder / "img10.booru.txt").write_text(TAGS)
    (folder / "below/c.txt").write_text(LOOP)
    ledger = Ledger.open(ledger_path(str(folder)))
    ledger.record(
        [Entry("img2.txt", "img2.png", "", WRITTEN, hash=content_hash(FOX.encode()))],
        [Failure("d.png", "d.txt", "image_damaged", "The image is damaged", 1.0)],
    )
    ledger.close()
    return folder


class Dataset:
    """A dataset that is open, and a client of it."""

    def __init__(self, owner: Service, state: dict[str, Any]) -> None:
        self.owner = owner
        self.path = f"/api/datasets/{state['id']}"

    async def read(self) -> dict[str, Any]:
        """Waits until all is read, and gives the last state."""
        async with self.owner.session.get(self.owner.server.make_url(f"{self.path}/events")) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    state: dict[str, Any] = json.loads(line[6:])
                    if not state["is_refreshing"]:
                        return state
        raise AssertionError("it has ended before")

    async def items(self, **parameters: str | int) -> dict[str, Any]:
        """Gives items that the parameters choose."""
        url = self.owner.server.make_url(f"{self.path}/items").with_query(parameters)
        async with self.owner.session.get(url) as response:
            found: dict[str, Any] = await response.json()
            assert response.status == 200, found
            return found

    async def names(self, **parameters: str | int) -> list[str]:
        return [one["name"] for one in (await self.items(**parameters))["items"]]

    async def put(self, **fields: Any) -> tuple[int, Any]:
        """Writes a text."""
        url = self.owner.server.make_url(f"{self.path}/texts")
        async with self.owner.session.put(url, json=fields) as response:
            return response.status, await response.json()

    async def change(self, **fields: Any) -> dict[str, Any]:
        """Changes many texts, and gives what came of it."""
        url = self.owner.server.make_url(f"{self.path}/changes")
        async with self.owner.session.post(url, json=fields) as response:
            sent = (await response.text()).split("\n\n")
        *_, last = [json.loads(event[6:]) for event in sent if event.startswith("data: ")]
        return dict(last)


@pytest.fixture
async def dataset(owner: Service, folder: Path) -> Dataset:
    """Gives the folder's dataset, opened and read."""
    status, state = await owner.post("/api/datasets", {"folder": str(folder)})
    assert status == 200, state
    dataset = Dataset(owner, state)
    await dataset.read()
    return dataset


async def test_open_dataset_counts_what_is_there(dataset: Dataset) -> None:
    """By state, flaw, style and length."""
    state = await dataset.read()
    assert (state["images"], state["texts"], state["unread"], state["problem"]) == (5, 4, 0, "")
    assert state["states"] == {
        "none": 2,
        "written": 1,
        "edited": 0,
        "found": 3,
        "flawed": 1,
        "failed": 1,
        "refused": 0,
        "unreadable": 0,
    }
    assert state["flaws"] == {"loop": 1}
    assert state["styles"] == {"": 3, "booru": 1}
    assert (await dataset.owner.get(dataset.path))[1] == state


async def test_items_come_in_order_and_by_cursor(dataset: Dataset) -> None:
    """Numbers in names by their value. A view stays as it is, whatever becomes of its texts."""
    first = await dataset.items(limit=2)
    assert [one["name"] for one in first["items"]] == ["below/c.png", "d.png"]
    assert (first["total"], first["first"]) == (5, 0)
    second = await dataset.items(after=first["next"], limit=2)
    assert [one["name"] for one in second["items"]] == ["e.png", "img2.png"]
    last = await dataset.items(after=second["next"], limit=2)
    assert [one["name"] for one in last["items"]] == ["img10.png"]
    assert last["next"] is None
    [text, tags] = last["items"][0]["texts"]
    assert (text["style"], text["text"], text["form"], text["state"]) == ("", CAT, "prose", "found")
    assert (tags["style"], tags["path"], tags["form"]) == ("booru", "img10.booru.txt", "tags")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"q": "fox"}, ["below/c.png", "img2.png", "img10.png"]),
        ({"q": "Fox AND birches"}, ["below/c.png", "img2.png"]),
        ({"q": "fox -birches"}, ["img10.png"]),
        ({"q": '"deep snow" OR "river, in"'}, ["below/c.png", "img2.png", "img10.png"]),
        ({"q": "NOT (fox OR cat)"}, ["d.png", "e.png"]),
        ({"q": "tag:red_fox"}, ["img10.png"]),
        ({"q": "tag:fox"}, []),
        ({"q": "name:IMG"}, ["img2.png", "img10.png"]),
        ({"q": "sno*"}, ["below/c.png", "img2.png", "img10.png"]),
        ({"state": "none"}, ["d.png", "e.png"]),
        ({"state": "failed"}, ["d.png"]),
        ({"state": "written"}, ["img2.png"]),
        ({"state": "flawed"}, ["below/c.png"]),
        ({"flaw": "loop"}, ["below/c.png"]),
        ({"flaw": "leak"}, []),
        ({"style": "booru"}, ["img10.png"]),
        ({"over": "30"}, ["below/c.png"]),
        ({"sort": "flawed"}, ["below/c.png", "d.png", "e.png", "img2.png", "img10.png"]),
    ],
)
async def test_items_are_filtered(dataset: Dataset, parameters: dict[str, str], expected: list[str]) -> None:
    """By text, tag, name, state, flaw, style and length."""
    assert await dataset.names(**parameters) == expected


async def test_wrong_filters_are_told(dataset: Dataset) -> None:
    """With the parameter's name."""
    for query, field in (
        ("q=(fox", "q"),
        ("q=fox)", "q"),
        ("q=fox AND", "q"),
        ('q="fox', "q"),
        ("state=nice", "state"),
        ("flaw=ugly", "flaw"),
        ("over=-1", "over"),
        ("same=xyz", "same"),
        ("limit=9999999", "limit"),
        ("sort=by_beauty", "sort"),
    ):
        status, answer = await dataset.owner.get(f"{dataset.path}/items?{query}")
        assert (status, answer["error"]["field"]) == (400, field), query
    status, answer = await dataset.owner.get(f"{dataset.path}/items?after=gone.5")
    assert status == 404


async def test_an_edit_is_written_and_counts_as_one_by_hand(dataset: Dataset, folder: Path) -> None:
    """Also where there was no text. Undo puts back what was there, be it nothing."""
    [item] = (await dataset.items(q="name:img2"))["items"]
    digest = item["texts"][0]["hash"]
    status, answer = await dataset.put(image="img2.png", text="A better text.", replaces=digest)
    assert (status, answer["item"]["texts"][0]["state"]) == (200, "edited")
    assert (folder / "img2.txt").read_text() == "A better text."
    status, created = await dataset.put(image="d.png", text="Somebody's own text.")
    assert (status, created["item"]["texts"][0]["state"]) == (200, "edited")
    assert "failure" not in created["item"]
    assert await dataset.names(state="failed") == []
    assert (folder / "d.txt").read_text() == "Somebody's own text."
    assert await dataset.names(q="own text") == ["d.png"]
    _, past = await dataset.owner.get(f"{dataset.path}/changes")
    assert [one["change"] for one in past["changes"]] == [created["change"], answer["change"]]
    for change in (created["change"], answer["change"]):
        status, undone = await dataset.owner.post(f"{dataset.path}/undo", {"change": change})
        assert (status, undone["restored"]) == (200, 1)
    await dataset.read()
    assert (folder / "img2.txt").read_text() == FOX
    assert not (folder / "d.txt").exists()
    assert await dataset.names(state="none") == ["d.png", "e.png"]


async def test_an_edit_never_overwrites_what_was_changed_meanwhile(dataset: Dataset, folder: Path) -> None:
    """The answer is 409 and shows both."""
    [item] = (await dataset.items(q="name:img2"))["items"]
    digest = item["texts"][0]["hash"]
    (folder / "img2.txt").write_text("Changed elsewhere.")
    for replaces in (digest, None):
        status, answer = await dataset.put(image="img2.png", text="Mine.", replaces=replaces)
        assert (status, answer["item"]["texts"][0]["text"]) == (409, "Changed elsewhere.")
    assert (folder / "img2.txt").read_text() == "Changed elsewhere."
    status, _ = await dataset.put(image="img2.png", text="Mine.", replaces=answer["item"]["texts"][0]["hash"])
    assert (status, (folder / "img2.txt").read_text()) == (200, "Mine.")


async def test_a_text_that_changed_outside_is_shown_as_it_is(dataset: Dataset, folder: Path) -> None:
    """Before anybody asks for the index to be brought up to date."""
    (folder / "img2.txt").write_text("Changed elsewhere.")
    [item] = (await dataset.items(q="name:img2"))["items"]
    assert (item["texts"][0]["text"], item["texts"][0]["state"]) == ("Changed elsewhere.", "edited")
    assert await dataset.names(q="elsewhere") == ["img2.png"]


async def test_texts_are_found_and_replaced_after_a_preview(dataset: Dataset, folder: Path) -> None:
    """In all that the view holds, and undone as a whole."""
    view = (await dataset.items(q="fox"))["view"]
    asked = {"view": view, "action": "replace", "find": r"\b(red)[ _](fox)\b", "replacement": r"\2"}
    asked |= {"expression": True}
    status, shown = await dataset.owner.post(f"{dataset.path}/changes/preview", asked)
    assert (status, shown["count"]) == (200, 3)
    before = (folder / "img10.booru.txt").read_text()
    assert {"path": "img10.booru.txt", "before": TAGS, "after": TAGS.replace("red_fox", "fox")} in shown[
        "changes"
    ]
    assert (folder / "img10.booru.txt").read_text() == before
    done = await dataset.change(**asked)
    assert (done["done"], done["of"]) == (3, 3)
    assert (done["changed"]["changed"], done["changed"]["kept"], done["changed"]["failed"]) == (3, 0, 0)
    assert (folder / "img2.txt").read_text() == FOX.replace("red fox", "fox")
    assert await dataset.names(q='"a fox"') == ["below/c.png", "img2.png"]
    _, undone = await dataset.owner.post(f"{dataset.path}/undo", {"change": done["changed"]["change"]})
    assert undone["restored"] == 3
    assert (folder / "img10.booru.txt").read_text() == TAGS


async def test_tags_are_added_to_the_images_that_are_named(dataset: Dataset, folder: Path) -> None:
    """And taken away again; with a style, only from its texts."""
    asked = {"images": ["img10.png", "e.png"], "tags": ["sks", "Snow"]}
    done = await dataset.change(action="add_tags", style="booru", at_start=True, **asked)
    assert done["changed"]["changed"] == 1
    assert (folder / "img10.booru.txt").read_text() == f"sks, {TAGS}"
    assert (folder / "img10.txt").read_text() == CAT
    assert not (folder / "e.txt").exists()
    done = await dataset.change(action="remove_tags", **asked)
    assert (folder / "img10.booru.txt").read_text() == TAGS.replace("snow, ", "")


async def test_changes_that_are_none_are_refused(dataset: Dataset) -> None:
    """Before anything is changed."""
    view = (await dataset.items())["view"]
    for fields, field in (
        ({"action": "replace", "find": "("} | {"expression": True}, "find"),
        ({"action": "replace", "find": ""}, "find"),
        ({"action": "replace", "find": "a", "replacement": r"\7", "expression": True}, "replacement"),
        ({"action": "add_tags"}, "tags"),
        ({"action": "add_tags", "tags": [" "]}, "tags"),
    ):
        status, answer = await dataset.owner.post(f"{dataset.path}/changes/preview", {"view": view} | fields)
        assert (status, answer["error"]["field"]) == (400, field), fields
    for fields in ({}, {"view": view, "images": []}):
        status, answer = await dataset.owner.post(
            f"{dataset.path}/changes", {"action": "add_tags", "tags": ["a"]} | fields
        )
        assert status == 400


async def test_a_text_is_accepted_as_it_is(dataset: Dataset) -> None:
    """Then it counts as flawed no more, until it is changed."""
    [item] = (await dataset.items(state="flawed"))["items"]
    asked = {"image": item["id"], "hash": item["texts"][0]["hash"]}
    status, accepted = await dataset.owner.post(f"{dataset.path}/accepted", asked)
    assert (status, accepted["texts"][0]["accepted"]) == (200, True)
    assert await dataset.names(state="flawed") == []
    await dataset.owner.post("/api/datasets", {"folder": (await dataset.read())["folder"]})
    await dataset.read()
    assert await dataset.names(state="flawed") == []
    await dataset.owner.post(f"{dataset.path}/accepted", asked | {"accepted": False})
    assert await dataset.names(state="flawed") == [item["name"]]


async def test_frequencies_and_findings_tell_of_the_whole(dataset: Dataset, folder: Path) -> None:
    """Tags and words of what is filtered; texts that several images have."""
    view = (await dataset.items(q="fox"))["view"]
    _, counted = await dataset.owner.get(f"{dataset.path}/frequencies?view={view}")
    assert counted["texts"] == 4
    assert ["red fox", 1] in counted["tags"]
    assert ["fox", 2] in counted["words"]
    for name in ("d", "e"):
        (folder / f"{name}.txt").write_text(CAT)
    await dataset.owner.post("/api/datasets", {"folder": str(folder)})
    await dataset.read()
    _, found = await dataset.owner.get(f"{dataset.path}/findings")
    [shared] = found["shared"]
    assert (shared["text"], shared["images"]) == (CAT, 3)
    assert await dataset.names(same=shared["hash"]) == ["d.png", "e.png", "img10.png"]


async def test_captions_again_are_shown_and_not_written(dataset: Dataset, folder: Path) -> None:
    """Each image has its own answer or error."""
    (folder / "e.png").write_bytes(b"no image")
    url = dataset.owner.server.make_url(f"{dataset.path}/captions")
    asked = {"images": ["img2.png", "e.png", "none.png"], "style": "casual", "trigger": "sks"}
    async with dataset.owner.session.post(url, json=asked) as response:
        lines = (await response.text()).split("\n\n")
    sent = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    by_image = {one["image"]: one for one in sent if "image" in one}
    assert sent[0]["prompt"].endswith("in a casual tone.")
    assert by_image["img2.png"]["text"].startswith("sks, a picture ")
    assert by_image["e.png"]["error"]["code"] == "not_an_image"
    assert by_image["none.png"]["error"]["code"] == "file_missing"
    assert (folder / "img2.txt").read_text() == FOX


async def test_names_of_any_bytes_and_hostile_texts_can_be_worked_with(
    owner: Service, tmp_path: Path
) -> None:
    """Names that aren't UTF-8, texts that are links, folders or too large, a ledger that is none."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    name = os.fsencode(folder) + b"/caf\xe9 100%.png"
    Image.new("RGB", (9, 9)).save(folder / "ok.png")
    os.rename(folder / "ok.png", name)
    for other in ("link", "folder", "huge", "binary"):
        Image.new("RGB", (9, 9)).save(folder / f"{other}.png")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "folder.txt").mkdir()
    (folder / "huge.txt").write_bytes(b"a" * (2**20 + 1))
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00text")
    (folder / ".joycaption").mkdir()
    (folder / ".joycaption/ledger.sqlite").write_bytes(b"no ledger")
    _, state = await owner.post("/api/datasets", {"folder": str(folder)})
    dataset = Dataset(owner, state)
    state = await dataset.read()
    assert "can't be opened" in state["problem"]
    (folder / ".joycaption/ledger.sqlite").unlink()
    by_id = {one["id"]: one for one in (await dataset.items())["items"]}
    assert set(by_id) == {"caf%E9%20100%25.png", "link.png", "folder.png", "huge.png", "binary.png"}
    assert "secret" not in json.dumps(by_id)
    for broken in ("link", "huge"):
        assert by_id[f"{broken}.png"]["texts"][0]["problem"]
        status, answer = await dataset.put(image=f"{broken}.png", text="Mine.")
        assert (status, answer["error"]["code"]) == (500, "write")
    status, _ = await dataset.put(image="caf%E9%20100%25.png", text="A café.")
    assert status == 200
    assert Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9 100%.txt")).read_text() == "A café."
    for image, style in (
        ("../secret.png", ""),
        ("/etc/passwd", ""),
        ("link.png", "../x"),
        ("link.png", ".x"),
    ):
        status, _ = await dataset.put(image=image, style=style, text="Planted.")
        assert status in (400, 404), (image, style)
    assert (tmp_path / "secret.txt").read_text() == "secret"


async def test_folders_that_are_not_allowed_or_not_there_are_refused(owner: Service, tmp_path: Path) -> None:
    """As for runs."""
    for body in ({"folder": str(tmp_path / "none")}, {"folder": "relative"}, {"folder": ""}, {}):
        assert (await owner.post("/api/datasets", body))[0] == 400
    assert (await owner.post("/api/datasets", {"folder": str(tmp_path), "extension": "/../x"}))[0] == 400
    for path in ("", "/items", "/changes", "/findings", "/events"):
        assert (await owner.get(f"/api/datasets/none{path}"))[0] == 404


async def test_strangers_see_nothing(service: Service, folder: Path) -> None:
    """Without the token each route is 401."""
    assert (await service.post("/api/datasets", {"folder": str(folder)}))[0] == 401
    assert (await service.get("/api/datasets/x/items"))[0] == 401
