"""Jobs whose images are sent to the service."""

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import web
from joycaption.job_error import JobError, RefusedError
from joycaption.written_texts import FOLDER, NAME

from adapter.engine.selfcheck import PROBE_TOKENS
from tests.fake_engine import completion
from tests.integrations.conftest import MakeJob, run_states, texts
from tests.waiting import until
from tests.web.conftest import Service


@pytest.fixture
def sent(job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeJob:
    """Makes jobs that know neither the key nor the page's token."""
    monkeypatch.setenv("CAPTION_DATA_DIR", str(tmp_path / "nothing"))
    return job


async def test_images_are_sent_where_the_service_cant_be_told_of_them(
    service: Service, sent: MakeJob, folder: Path
) -> None:
    """The same fields give the same texts, and a broken image costs its own."""
    (folder / "broken.png").write_bytes(b"no picture")
    task = sent(style="booru", trigger="sks", in_flight=3, temperature=0.2)
    printed = await task.run()
    assert "The images are sent to the service, because neither its key nor its page's token" in printed
    assert "JoyCaption: 6 captioned, 1 failed\n  1 failed: not_an_image\n    broken.png: " in printed
    assert len(texts(folder)) == 6
    assert all(text.startswith("sks, picture, ") for text in texts(folder).values())
    assert run_states(service) == []
    assert service.engine.most_under_way <= 3
    assert service.last_asked["temperature"] == 0.2
    assert task.captioner.steps[-1] == 7


async def test_a_folder_that_the_service_sees_otherwise_is_sent(
    service: Service, job: MakeJob, folder: Path
) -> None:
    """Pictures that the job leaves out would have been captioned, too."""
    printed = await job(prompt="Name it.", extensions=["png"]).run()
    assert "because it would take 6 images of the folder, and this job takes 3" in printed
    assert len(texts(folder)) == 3
    assert service.last_asked["messages"][-1]["content"][-1]["text"] == "Name it."


async def test_texts_that_were_edited_are_left(service: Service, sent: MakeJob, folder: Path) -> None:
    """Those that nobody edited are replaced, and edited ones by `overwrite_edited` alone."""
    (folder / "2.txt").write_text("from elsewhere")
    await sent().run()
    assert texts(folder)["2.txt"] == "from elsewhere"
    (folder / "0.txt").write_text("edited")
    printed = await sent(recaption=True, style="booru").run()
    assert "JoyCaption: 5 captioned, 0 failed\n  1 texts were edited by hand" in printed
    assert texts(folder)["0.txt"] == "edited"
    assert texts(folder)["2.txt"].startswith("picture,")
    await sent(recaption=True, overwrite_edited=True).run()
    assert texts(folder)["0.txt"] != "edited"


async def test_a_text_that_comes_meanwhile_is_left(service: Service, sent: MakeJob, folder: Path) -> None:
    """Somebody may write one while the model does. Links are left, too, and nothing else lies around."""
    (folder / "elsewhere").write_text("")
    (folder / "2.txt").symlink_to("elsewhere")

    async def answer(request: web.Request) -> web.StreamResponse:
        if not (folder / "0.txt").exists():
            (folder / "0.txt").write_text("mine")
        return web.json_response(completion("A picture of something that is there."))

    service.engine.answer = answer
    printed = await sent().run()
    assert "JoyCaption: 4 captioned, 2 failed\n  2 failed: text_changed" in printed
    assert texts(folder)["0.txt"] == "mine"
    assert (folder / "elsewhere").read_text() == ""
    assert not list(folder.rglob(".*.part"))


async def test_images_of_one_name_dont_share_a_text(service: Service, sent: MakeJob, folder: Path) -> None:
    """The second one fails, as in a run."""
    (folder / "0.jpg").write_bytes((folder / "below/1.jpg").read_bytes())
    printed = await sent().run()
    assert "1 failed: sidecar_taken\n    0.png: 0.txt is the text of 0.jpg already" in printed


async def test_a_stop_gives_up_what_is_under_way(service: Service, sent: MakeJob, folder: Path) -> None:
    """Nothing is waited for, and the engine stops working for it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    service.engine.answer = answer
    task = sent()
    running = asyncio.create_task(task.run())
    await until(lambda: service.engine.under_way == 6)
    task.captioner.wants_stop.set()
    with pytest.raises(RuntimeError, match=r"Job stopped"):
        await running
    await until(lambda: service.engine.aborted == 6)
    assert not texts(folder)


async def test_what_is_wrong_with_all_ends_the_job(service: Service, sent: MakeJob) -> None:
    """It isn't tried with every image."""
    with pytest.raises(RefusedError, match=r"nonsense"):
        await sent(style="nonsense", in_flight=1).run()
    assert not service.engine.asked


async def test_cut_captions_are_counted(service: Service, sent: MakeJob) -> None:
    """A limit of the user's cuts them, and isn't a failure."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion("A picture of something that is", "length"))

    service.engine.answer = answer
    printed = await sent(max_tokens=5).run()
    assert "JoyCaption: 6 captioned, 0 failed\n  6 texts end where max_tokens was met" in printed


async def test_an_engine_that_is_away_is_waited_for(service: Service, sent: MakeJob, folder: Path) -> None:
    """A refusal that says when to ask again isn't a failure."""
    refused = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal refused
        body = await request.json()
        if body["max_tokens"] != PROBE_TOKENS and refused < 3:
            refused += 1
            return web.Response(status=503)
        return web.json_response(completion(f"A picture of something that is there {refused}."))

    service.engine.answer = answer
    await sent().run()
    assert (refused, len(texts(folder))) == (3, 6)


@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}/{NAME}"])
async def test_a_record_that_is_a_link_is_left_alone(
    place: str, service: Service, sent: MakeJob, folder: Path, tmp_path: Path
) -> None:
    """It came with the dataset, and would lead the writing elsewhere."""
    target = tmp_path / "target"
    (folder / place).parent.mkdir(exist_ok=True)
    if place == FOLDER:
        target.mkdir()
    else:
        target.write_text("precious\n")
    os.symlink(target, folder / place)
    with pytest.raises(JobError, match=r"Nothing was captioned: 6 failed. file: "):
        await sent().run()
    assert not texts(folder)
    assert target.is_dir() or target.read_text() == "precious\n"


async def test_a_damaged_record_is_read_as_far_as_it_goes(
    service: Service, sent: MakeJob, folder: Path
) -> None:
    """A job that was killed may leave half a line, and anybody anything."""
    await sent().run()
    record = folder / FOLDER / NAME
    (folder / "0.txt").write_text("edited")
    record.write_bytes(b'{"a": 1}\n[1, 2]\n\xff\xfe\n' + record.read_bytes() + b'["2.t')
    printed = await sent(recaption=True).run()
    assert "JoyCaption: 5 captioned, 0 failed\n  1 texts were edited" in printed


@pytest.mark.parametrize("starting", [{"api_key": "secret key", "allowed_roots": "none"}], indirect=True)
async def test_a_service_with_a_key_wants_it(service: Service, job: MakeJob, folder: Path) -> None:
    """With the key images are sent, because the service may not read the folder; without it nothing goes."""
    with pytest.raises(RefusedError, match=r"API key"):
        await job().run()
    printed = await job(api_key="secret key").run()
    assert "because That folder lies outside the allowed ones" in printed
    assert len(texts(folder)) == 6
