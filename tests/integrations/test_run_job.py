"""Jobs that the service does by itself, as a run over the folder."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joycaption.job_error import JobError, OptionError, RefusedError

from adapter.config import PROJECT_DIR
from adapter.engine.selfcheck import PROBE_TOKENS
from adapter.web.app_keys import BOOK, FLEET, SETTINGS
from adapter.web.application import make_app
from tests.fake_engine import completion
from tests.integrations.conftest import MakeJob, run_states, texts
from tests.waiting import until
from tests.web.conftest import Service

PLACES = (PROJECT_DIR / "integrations/ai-toolkit", PROJECT_DIR / "tests/integrations/stand_in")


async def test_a_job_is_a_run_with_its_ledger(service: Service, job: MakeJob, folder: Path) -> None:
    """What has a text is left, blanks count as none, and each step is counted."""
    (folder / "0.txt").write_text("my own words")
    (folder / "2.txt").write_text(" \n")
    task = job(style="booru", trigger="sks")
    printed = await task.run()
    found = texts(folder)
    assert found.pop("0.txt") == "my own words"
    assert len(found) == 5
    assert all(text.startswith("sks, picture, ") for text in found.values())
    assert (folder / ".joycaption/ledger.sqlite").exists()
    assert "Found 6 images. 5 need captioning." in printed
    assert "JoyCaption: 5 captioned, 0 failed" in printed
    assert (task.captioner.status, task.captioner.steps[-1]) == ("completed", 5)
    assert task.captioner.steps == sorted(task.captioner.steps)


async def test_recaption_replaces_all_but_what_was_edited(
    service: Service, job: MakeJob, folder: Path
) -> None:
    """The rules are those of the dataset command, `overwrite_edited` among them."""
    await job(caption_extension="caption").run()
    (folder / "0.caption").write_text("edited")
    before = (folder / "2.caption").read_text()
    printed = await job(caption_extension=".caption", recaption=True, prompt="Which tags are there?").run()
    assert (folder / "0.caption").read_text() == "edited"
    assert (folder / "2.caption").read_text() != before
    assert "1 texts were edited by hand, and stay as they are" in printed
    await job(caption_extension="caption", recaption=True, overwrite_edited=True, style="casual").run()
    assert (folder / "0.caption").read_text() != "edited"


async def test_a_job_waits_for_the_engine(starting: Service, job: MakeJob, folder: Path) -> None:
    """Its status says how far the engine is."""
    task = job()
    running = asyncio.create_task(task.run())
    message = starting.app[FLEET].status.progress.message
    await until(lambda: any(message in line for line in task.captioner.told))
    starting.engine.healthy = True
    await running
    assert len(texts(folder)) == 6


async def test_failures_are_printed_by_reason(service: Service, job: MakeJob, folder: Path) -> None:
    """A job with one broken image is a success, and says what failed."""
    (folder / "broken.png").write_bytes(b"no picture")
    task = job()
    printed = await task.run()
    assert "JoyCaption: 6 captioned, 1 failed\n  1 failed: not_an_image\n    broken.png: " in printed
    assert (task.captioner.status, task.captioner.steps[-1]) == ("completed", 7)


async def test_a_job_fails_where_nothing_was_captioned(service: Service, job: MakeJob, folder: Path) -> None:
    """Its status says why."""
    for image in folder.rglob("*.*g"):
        image.write_bytes(b"no picture")
    with pytest.raises(JobError, match=r"Nothing was captioned: 6 failed. not_an_image: "):
        await job().run()


async def test_a_job_without_work_needs_no_service(job: MakeJob, folder: Path) -> None:
    """It is done at once, whether the service is there or not."""
    for image in folder.rglob("*.*g"):
        image.with_suffix(".txt").write_text("mine")
    task = job(service_url="http://127.0.0.1:9")
    assert "JoyCaption: 0 captioned, 0 failed" in await task.run()
    assert task.captioner.status == "completed"


async def test_a_stop_ends_the_run(service: Service, job: MakeJob, folder: Path) -> None:
    """What is under way is finished and the rest is left, by the service too."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["max_tokens"] != PROBE_TOKENS:
            await go_on.wait()
        return web.json_response(completion("A picture of something that is there."))

    service.engine.answer = answer
    task = job()
    running = asyncio.create_task(task.run())
    await until(lambda: service.engine.under_way == 6)
    task.captioner.wants_stop.set()
    await until(lambda: task.captioner.status == "stopped")
    await until(lambda: run_states(service) == ["stopping"])
    go_on.set()
    with pytest.raises(RuntimeError, match=r"Job stopped"):
        await running
    assert run_states(service) == ["stopped"]


async def test_a_folder_has_one_run_at_a_time(service: Service, job: MakeJob) -> None:
    """A job that was killed left a run, perhaps. The next one says so, and lets it be."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("A picture of something that is there."))

    service.engine.answer = answer
    first = asyncio.create_task(job().run())
    await until(lambda: service.engine.under_way == 6)
    with pytest.raises(RefusedError, match="Another run works on this folder"):
        await job().run()
    assert run_states(service) == ["running"]
    go_on.set()
    await first


async def test_wrong_options_end_a_job_with_the_services_words(service: Service, job: MakeJob) -> None:
    """It isn't tried with every image."""
    with pytest.raises(RefusedError, match=r"style"):
        await job(style="nonsense").run()
    with pytest.raises(OptionError, match=r"is it caption_type"):
        await job(captiontype="Descriptive").run()
    assert not service.engine.asked


async def test_a_job_goes_on_when_the_service_is_started_again(
    service: Service, job: MakeJob, folder: Path
) -> None:
    """The run is the same one, and the job counts what was captioned before."""
    go_on = asyncio.Event()
    asked = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        body = await request.json()
        if body["max_tokens"] != PROBE_TOKENS:
            asked += 1
            if asked > 2:
                await go_on.wait()
        return web.json_response(completion(f"A picture numbered {len(service.engine.asked)}."))

    service.engine.answer = answer
    task = job()
    running = asyncio.create_task(task.run())
    await until(lambda: len(texts(folder)) == 2)
    app = make_app(service.app[SETTINGS], service.app[BOOK], stop=lambda: None)
    port = service.server.port
    await service.server.close()
    await until(lambda: "come back" in task.captioner.told[-1])
    go_on.set()
    again = TestServer(app, port=port)
    await again.start_server()
    printed = await running
    await again.close()
    assert "JoyCaption: 6 captioned, 0 failed" in printed
    assert len(texts(folder)) == 6
    assert task.captioner.steps[-1] == 6


async def test_a_gpu_that_cant_be_given_back_is_no_failure(service: Service, job: MakeJob) -> None:
    """Here the engine is somebody else's. The job is done all the same, and says so."""
    task = job(release=True)
    printed = await task.run()
    assert "The GPU isn't given back: No engine of this service's runs" in printed
    assert task.captioner.status == "completed"


async def test_a_sigint_stops_the_run_and_a_second_one_doesnt_keep_it_from_that(
    service: Service, job: MakeJob, folder: Path
) -> None:
    """AI-Toolkit's button sends one, and its watcher may raise another."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("A picture of something that is there."))

    service.engine.answer = answer
    given = {"path_to_caption": str(folder), "service_url": str(service.server.make_url(""))}
    program = (
        # Whoever runs the tests in the background may have had SIGINT ignored, which is inherited.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from joycaption.captioner import *; JoyCaptioner(0, None, {{'caption': {given}}}).run()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=os.environ | {"PYTHONPATH": ":".join(map(str, PLACES))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await until(lambda: service.engine.under_way == 6)
    process.send_signal(signal.SIGINT)
    await until(lambda: run_states(service) == ["stopping"])
    process.send_signal(signal.SIGINT)
    go_on.set()
    output, errors = await process.communicate()
    assert errors.decode().rstrip().endswith("KeyboardInterrupt")
    assert errors.count(b"KeyboardInterrupt") == 1
    assert run_states(service) == ["stopped"]
    assert b"The GPU isn't given back: No engine of this service's runs" in output
