"""Folders and dataset runs behind the page."""

import asyncio
import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import ExifTags, Image

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.errors import WrongFieldError
from adapter.web.app_keys import CAPTIONER, VITALS
from adapter.web.pages.datasets import RUNS
from adapter.web.pages.kept_runs import FOLDER
from adapter.web.pages.runs import Runs
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service

REFUSAL = "I'm sorry, but I can't help with describing this image."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder with three pictures, one of them with a text."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "below/c")):
        Image.new("RGB", (20, 10), (number, 2, 3)).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("mine")
    return folder


async def ended(owner: Service, number: str) -> dict[str, Any]:
    """Gives the last of a run's events."""
    async with owner.session.get(owner.server.make_url(f"/api/runs/{number}/events")) as response:
        assert response.status == 200
        sent = (await response.text()).split("\n\n")
    *_, last = [json.loads(event[6:]) for event in sent if event.startswith("data: ")]
    return dict(last)


def block(owner: Service, first: int = 0) -> asyncio.Event:
    """Has the engine answer only after the event is set, except for so many `first` captions."""
    go_on = asyncio.Event()
    asked = 0

    async def wait(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked > first:
            await go_on.wait()
        return web.json_response(completion("A picture of something."))

    owner.engine.answer = wait
    return go_on


async def test_folders_tells_what_is_in_one(owner: Service, folder: Path) -> None:
    """Images below it count, hidden folders don't."""
    (folder / ".hidden").mkdir()
    os.mkdir(os.fsencode(folder) + b"/\xff")
    status, view = await owner.get(f"/api/folders?path={folder}")
    assert (status, view["images"], view["captioned"], view["is_all"]) == (200, 3, 1, True)
    assert (view["folders"], view["parent"]) == (["below"], str(folder.parent))
    assert (await owner.get("/api/folders"))[0] == 200
    for path in ("/no/such/folder", "relative", f"{folder}/a.png"):
        assert (await owner.get(f"/api/folders?path={path}"))[0] == 400


async def test_a_run_captions_a_folder_as_the_command_does(owner: Service, folder: Path) -> None:
    """With the same ledger, the same rules for texts that are there, and the same numbers."""
    status, run = await owner.post("/api/runs", {"folder": str(folder), "style": "casual", "trigger": "sks"})
    assert (status, run["state"]) == (201, "running")
    last = await ended(owner, run["id"])
    assert (last["state"], last["total"], last["settled"]) == ("done", 3, 3)
    assert (last["counts"]["done"], last["counts"]["skipped"]) == (2, 1)
    assert {one["image"] for one in last["newest"]} == {"b.png", "below/c.png"}
    assert (folder / "a.txt").read_text() == "mine"
    assert (folder / "below/c.txt").read_text().startswith("sks, a picture ")
    with contextlib.closing(Ledger.open_read_only(ledger_path(str(folder)))) as ledger:
        assert len(list(ledger.entries())) == 3
    _, listed = await owner.get("/api/runs")
    assert [one["id"] for one in listed["runs"]] == [run["id"]]
    assert (await owner.get(f"/api/runs/{run['id']}"))[1]["state"] == "done"
    assert {body["messages"][1]["content"][1]["text"] for body in owner.engine.asked} == {
        "Write a descriptive caption for this image in a casual tone."
    }


async def test_thumbnails_are_of_the_runs_images_alone(owner: Service, folder: Path) -> None:
    """Small, upright WebP files; a name may not lead out of the dataset."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (640, 320), (9, 9, 9)).save(folder / "b.png", exif=exif)
    (folder.parent / "outside.png").write_bytes((folder / "b.png").read_bytes())
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    await ended(owner, run["id"])
    url = owner.server.make_url(f"/api/runs/{run['id']}/thumbnail")
    async with owner.session.get(url, params={"image": "b.png"}) as response:
        assert response.content_type == "image/webp"
        with Image.open(io.BytesIO(await response.read())) as picture:
            assert (picture.format, picture.size) == ("WEBP", (160, 320))
    for name in ("", "none.png", "../outside.png", str(folder.parent / "outside.png"), "a.txt", "below"):
        async with owner.session.get(url, params={"image": name}) as response:
            assert response.status == (422 if name in ("a.txt", "below") else 404), name


async def test_a_preview_writes_nothing(owner: Service, folder: Path) -> None:
    """It says how much there is to do, and what would be asked."""
    status, view = await owner.post("/api/runs/preview", {"folder": str(folder)})
    assert (status, view["to_caption"], view["skipped"]) == (200, 2, 1)
    assert {Path(one["image"]).name for one in view["examples"]} == {"b.png", "c.png"}
    assert view["examples"][0]["prompt"].startswith("Write a descriptive caption")
    assert not (folder / ".joycaption").exists()
    assert not owner.engine.asked


async def test_each_image_gets_one_of_several_prompts(owner: Service, folder: Path) -> None:
    """By weight; two shares of a dataset are all of it."""
    prompts = ["Describe it.", {"text": "Never asked.", "weight": 1e-300}]
    for share in ("1/2", "2/2"):
        body = {"folder": str(folder), "prompts": prompts, "shard": share, "existing": "overwrite"}
        status, run = await owner.post("/api/runs", body)
        assert (status, (await ended(owner, run["id"]))["state"]) == (201, "done")
    assert [body["messages"][1]["content"][1]["text"] for body in owner.engine.asked] == ["Describe it."] * 3


async def test_a_run_tells_failures_and_refused_captions(owner: Service, folder: Path) -> None:
    """By reason, with examples; a further run may take just those."""
    (folder / "broken.png").write_bytes(b"no image")

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion(REFUSAL))

    owner.engine.answer = refuse
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    counts = (await ended(owner, run["id"]))["counts"]
    assert counts["refused"] == {"texts": 2, "kinds": {"refusal": 2}}
    assert {reason: told["count"] for reason, told in counts["failures"].items()} == {
        "bad_caption": 2,
        "not_an_image": 1,
    }
    owner.engine.answer = None
    _, run = await owner.post("/api/runs", {"folder": str(folder), "retry_failed": True})
    assert (await ended(owner, run["id"]))["counts"]["done"] == 2


async def test_a_run_is_stopped_and_loses_nothing(owner: Service, folder: Path) -> None:
    """What is under way is finished, and another run of the folder has to wait."""
    go_on = block(owner)
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    await until(lambda: owner.engine.under_way == 2)
    await until(lambda: owner.app[VITALS].state["in_flight"] == 2)
    assert owner.app[VITALS].state["waiting"] == 0
    status, answer = await owner.post("/api/runs", {"folder": str(folder)})
    assert (status, answer["error"]["code"]) == (500, "ledger_unavailable")
    async with owner.session.delete(owner.server.make_url(f"/api/runs/{run['id']}")) as response:
        assert (await response.json())["state"] == "stopping"
    go_on.set()
    last = await ended(owner, run["id"])
    assert (last["state"], last["counts"]["done"]) == ("stopped", 2)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "folder"),
        ({"folder": "relative"}, "folder"),
        ({"folder": "/no/such/folder"}, "folder"),
        ({"folder": "/tmp", "style": "haiku"}, "style"),
        ({"folder": "/tmp", "extension": "../x"}, "extension"),
        ({"folder": "/tmp", "existing": "burn"}, "existing"),
        ({"folder": "/tmp", "extension": ".png"}, "extension"),
        ({"folder": "/tmp", "extension": ".a\0b"}, "extension"),
        ({"folder": "/tmp", "trigger": "x" * 1025}, "trigger"),
        ({"folder": "/tmp", "shard": "3/2"}, "shard"),
        ({"folder": "/tmp", "prompts": [""]}, "prompts[0].text"),
        ({"folder": "/tmp", "prompts": ["<|eot_id|>"]}, "prompt"),
        ({"folder": "/tmp", "prompts": ["Describe it."], "prompt": "Describe it."}, "prompts"),
        ({"folder": "/tmp", "styles": ["booru"], "style": "casual"}, "styles"),
        ({"folder": "/tmp", "styles": ["booru"], "caption_type": "Straightforward"}, "styles"),
        ({"folder": "/tmp", "styles": ["booru"], "prompts": ["Describe it."]}, "styles"),
    ],
)
async def test_a_run_with_a_wrong_field_names_it(owner: Service, fields: dict[str, Any], field: str) -> None:
    """Nothing is begun."""
    for path in ("/api/runs", "/api/runs/preview"):
        status, answer = await owner.post(path, fields)
        assert (status, answer["error"]["field"]) == (400, field)
    assert (await owner.get("/api/runs"))[1] == {"runs": []}
    assert (await owner.get("/api/runs/none"))[0] == 404


@pytest.mark.parametrize("starting", [{"allowed_roots": "/usr"}], indirect=True)
async def test_a_run_stays_within_the_allowed_folders(owner: Service, folder: Path) -> None:
    """By its real path, too: links and dots don't lead out."""
    for path in (str(folder), f"/usr/..{folder}"):
        assert (await owner.post("/api/runs", {"folder": path}))[0] == 403
        assert (await owner.get(f"/api/folders?path={path}"))[0] == 403
    _, view = await owner.get("/api/folders")
    assert (view["path"], view["parent"]) == ("/usr", None)


async def test_a_run_goes_on_after_a_restart(owner: Service, folder: Path, tmp_path: Path) -> None:
    """However the service ended. What can't go on yet is paused and says why, and what never can is
    forgotten.
    """
    app = owner.app
    go_on = block(owner)
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    await until(lambda: owner.engine.under_way == 2)
    closing = asyncio.create_task(app[RUNS].close(0.1))
    await until(closing.done)
    kept = tmp_path / "data" / FOLDER
    assert [path.stem for path in kept.iterdir()] == [run["id"]]
    (kept / "torn.json").write_text("{")
    away = tmp_path / "away"
    fields = {"folder": str(away)}
    (kept / "gone.json").write_text(json.dumps({"fields": fields, "made": 0, "is_paused": False}))
    (kept / "old.json").write_text(json.dumps(fields))
    wrong = {"fields": fields | {"seed": "x"}, "made": 0, "is_paused": False}
    (kept / "wrong.json").write_text(json.dumps(wrong))
    go_on.set()
    owner.engine.answer = None
    again = Runs(app[CAPTIONER], app[RUNS]._book, app[RUNS]._settings)
    await again.resume()
    assert {one.number for one in again} == {run["id"], "gone"}
    resumed, gone = again.find(run["id"]), again.find("gone")
    await until(lambda: resumed.has_ended)
    assert resumed.as_dict()["counts"]["done"] == 2
    await until(lambda: [path.name for path in kept.iterdir()] == ["gone.json"])
    assert (gone.state, "is not there" in gone.error) == ("paused", True)
    with pytest.raises(WrongFieldError):
        await again.go_on("gone")
    assert gone.state == "paused"
    away.mkdir()
    await again.go_on("gone")
    await until(lambda: gone.has_ended)
    assert (gone.state, gone.error) == ("done", "")
    await again.close(1.0)


async def test_a_run_is_paused_and_stays_so_over_a_restart(
    owner: Service, folder: Path, tmp_path: Path
) -> None:
    """Its lock is free meanwhile. It goes on under its own number, or is stopped for good."""
    app = owner.app
    go_on = block(owner)
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    await until(lambda: owner.engine.under_way == 2)
    status, pausing = await owner.post(f"/api/runs/{run['id']}", {"action": "pause"})
    assert (status, pausing["state"]) == (200, "pausing")
    go_on.set()
    owner.engine.answer = None
    assert (await ended(owner, run["id"]))["state"] == "paused"
    with contextlib.closing(Ledger.open(ledger_path(str(folder)))):
        pass
    again = Runs(app[CAPTIONER], app[RUNS]._book, app[RUNS]._settings)
    await again.resume()
    (paused,) = again
    assert (paused.number, paused.state, paused.before) == (run["id"], "paused", 2)
    await again.close(1.0)
    Image.new("RGB", (20, 10), (9, 9, 9)).save(folder / "later.png")
    status, resumed = await owner.post(f"/api/runs/{run['id']}", {"action": "resume"})
    assert (status, resumed["id"]) == (200, run["id"])
    last = await ended(owner, run["id"])
    assert (last["state"], last["counts"]["done"], last["made_before"]) == ("done", 1, 2)
    kept = tmp_path / "data" / FOLDER
    await until(lambda: not list(kept.iterdir()))
    assert (await owner.post(f"/api/runs/{run['id']}", {"action": "resume"}))[1]["state"] == "done"
    assert (await owner.post(f"/api/runs/{run['id']}", {"action": "fly"}))[0] == 400
    assert (await owner.post("/api/runs/none", {"action": "pause"}))[0] == 404


async def test_counts_go_on_where_they_were_before_a_pause(owner: Service, folder: Path) -> None:
    """Texts that are made already are no skipped ones, and nothing is made or added twice."""
    for number in range(4):
        Image.new("RGB", (20, 10), (number, 9, 9)).save(folder / f"{number}.png")
    block(owner, first=2)
    _, begun = await owner.post("/api/runs", {"folder": str(folder), "existing": "append", "seed": 1})
    path, run = f"/api/runs/{begun['id']}", owner.app[RUNS].find(begun["id"])
    await until(lambda: owner.engine.under_way == 5 and run.made == 2)
    await owner.post(path, {"action": "pause"})
    assert [kept.is_paused for _, kept in owner.app[RUNS]._kept.all()] == [True], "should it be killed now"
    run.give_up()
    paused = await ended(owner, run.number)
    assert (paused["state"], paused["settled"], paused["total"]) == ("paused", 2, 7)
    assert await ended(owner, run.number) == paused, "its clock stands still"
    go_on = block(owner)
    _, resumed = await owner.post(path, {"action": "resume"})
    assert (resumed["made_before"], resumed["settled"], resumed["skipped"]) == (2, 2, 0)
    go_on.set()
    last = await ended(owner, run.number)
    assert (last["state"], last["counts"]["done"], last["made_before"]) == ("done", 5, 2)
    assert (last["skipped"], last["settled"], last["total"]) == (0, 7, 7)
    assert (folder / "a.txt").read_text().count("picture") == 1


async def test_a_limit_holds_over_a_pause(owner: Service, folder: Path) -> None:
    """And a run that is paused when it has reached it is done."""
    Image.new("RGB", (20, 10), (9, 9, 9)).save(folder / "d.png")
    block(owner, first=1)
    _, begun = await owner.post("/api/runs", {"folder": str(folder), "limit": 2})
    path, run = f"/api/runs/{begun['id']}", owner.app[RUNS].find(begun["id"])
    await until(lambda: owner.engine.under_way == 1 and run.made == 1)
    await owner.post(path, {"action": "pause"})
    run.give_up()
    assert (await ended(owner, run.number))["state"] == "paused"
    go_on = block(owner)
    await owner.post(path, {"action": "resume"})
    await until(lambda: owner.engine.under_way == 1)
    await owner.post(path, {"action": "pause"})
    go_on.set()
    last = await ended(owner, run.number)
    assert (last["state"], last["made_before"] + last["counts"]["done"]) == ("done", 2)
    assert len(list(folder.rglob("*.txt"))) == 3, "with the one that was there"


async def test_a_paused_run_is_stopped_for_good(owner: Service, folder: Path, tmp_path: Path) -> None:
    """Nothing of it is kept."""
    go_on = block(owner)
    _, run = await owner.post("/api/runs", {"folder": str(folder)})
    await until(lambda: owner.engine.under_way == 2)
    await owner.post(f"/api/runs/{run['id']}", {"action": "pause"})
    go_on.set()
    await ended(owner, run["id"])
    async with owner.session.delete(owner.server.make_url(f"/api/runs/{run['id']}")) as response:
        assert (await response.json())["state"] == "stopped"
    assert not list((tmp_path / "data" / FOLDER).iterdir())


async def test_a_folder_tells_that_a_run_works_on_it(owner: Service, folder: Path) -> None:
    """Be it the command's or the page's."""
    assert (await owner.get(f"/api/folders?path={folder}"))[1]["is_in_use"] is False
    with contextlib.closing(Ledger.open(ledger_path(str(folder)))):
        assert (await owner.get(f"/api/folders?path={folder}"))[1]["is_in_use"] is True
        assert (await owner.get(f"/api/folders?path={folder / 'below'}"))[1]["is_in_use"] is True
    _, view = await owner.get(f"/api/folders?path={folder}")
    assert (view["is_in_use"], view["recent"]) == (False, [])
    assert view["counts"]["below"] == {"images": 1, "captioned": 0, "is_all": True}


async def test_a_folder_comes_at_once_and_its_counts_as_they_are_known(owner: Service, folder: Path) -> None:
    """As events, for whoever doesn't want to wait."""
    async with owner.session.get(owner.server.make_url(f"/api/folders/events?path={folder}")) as response:
        first, *_, last = [json.loads(one[6:]) for one in (await response.text()).split("\n\n") if one]
    assert (first["folders"], first["images"], first["is_all"], first["counts"]) == (
        ["below"],
        None,
        False,
        {},
    )
    assert last == (await owner.get(f"/api/folders?path={folder}"))[1]
    assert (last["images"], last["captioned"], last["counts"]["below"]["images"]) == (3, 1, 1)
    assert (await owner.get("/api/folders/events?path=relative"))[0] == 400
