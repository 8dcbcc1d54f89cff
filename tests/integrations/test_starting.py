"""How a job finds the service, starts it, and waits for it."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joycaption.job_error import JobError, OptionError

from adapter.engine.progress import Progress
from adapter.web.app_keys import FLEET
from tests.integrations.conftest import MakeJob, texts
from tests.processes import descendants
from tests.waiting import until
from tests.web.conftest import Service


def free_url() -> str:
    """Gives an address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def script(folder: Path, program: str) -> Path:
    """Writes a start_service.sh."""
    path = folder / "start_service.sh"
    path.write_text(f"exec {sys.executable} - <<'END'\n{program}\nEND\n")
    return path


async def test_without_a_service_a_job_says_what_to_do(job: MakeJob) -> None:
    """There is no path to start it by."""
    with pytest.raises(JobError, match=r"No captioning service answers at .*set start_service to the path"):
        await job(service_url=free_url()).run()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:5000", "http://h:port", "http://"])
async def test_an_address_that_is_none_is_told(url: str, job: MakeJob) -> None:
    """It fails before anything is looked for."""
    with pytest.raises(OptionError, match=r"service_url"):
        await job(service_url=url).run()


async def test_something_else_at_the_address_is_told(job: MakeJob) -> None:
    """Other programs like the port 5000, too."""
    other = TestServer(web.Application())
    await other.start_server()
    with pytest.raises(JobError, match=r"isn't a captioning service"):
        await job(service_url=str(other.make_url(""))).run()
    await other.close()


async def test_a_service_is_started_by_its_path(
    service: Service, job: MakeJob, folder: Path, tmp_path: Path
) -> None:
    """It gets host and port from the address, and outlives the job. Here it only passes on to another."""
    program = f"""
import os, socket, threading
def passed(source, target):
    while piece := source.recv(65536):
        target.sendall(piece)
    target.shutdown(socket.SHUT_WR)
server = socket.create_server((os.environ["CAPTION_HOST"], int(os.environ["CAPTION_PORT"])))
while True:
    client, _ = server.accept()
    other = socket.create_connection(("127.0.0.1", {service.server.port}))
    for pair in ((client, other), (other, client)):
        threading.Thread(target=passed, args=pair, daemon=True).start()
"""
    script(tmp_path, program)
    task = job(service_url=free_url(), start_service=str(tmp_path))
    await task.run()
    assert "Starting the captioning service" in task.captioner.told
    assert len(texts(folder)) == 6
    start = task.captioner._start
    assert start is not None
    start.check()  # it goes on
    start.give_up()


async def test_a_start_that_fails_is_told_with_its_error(job: MakeJob, tmp_path: Path) -> None:
    """Nobody sees its output otherwise."""
    path = script(tmp_path, "import sys; sys.exit('error: There is no room\\non the disk')")
    with pytest.raises(JobError, match=r"ended with exit code 1: error: There is no room"):
        await job(service_url=free_url(), start_service=str(path)).run()
    with pytest.raises(JobError, match=r"there is no file .*nothing"):
        await job(service_url=free_url(), start_service=str(tmp_path / "nothing")).run()


async def test_a_stop_in_mid_start_ends_what_was_started(job: MakeJob, tmp_path: Path) -> None:
    """Or it would take the GPU when nobody wants it any more."""
    script(tmp_path, "import time\nopen('/dev/null')\nNAME = 'the service to be'\ntime.sleep(600)")
    task = job(service_url=free_url(), start_service=str(tmp_path))
    running = asyncio.create_task(task.run())
    await until(lambda: "Starting the captioning service" in task.captioner.told)
    task.captioner.wants_stop.set()
    with pytest.raises(RuntimeError, match=r"Job stopped"):
        await running
    start = task.captioner._start
    assert start is not None and start._process is not None
    assert start._process.wait(20) != 0
    assert start._process.pid not in descendants()


async def test_an_engine_that_gave_up_ends_a_job(starting: Service, job: MakeJob) -> None:
    """With the service's own words."""
    told = Progress("error", "Out of GPU memory: close other programs")
    for engine in starting.app[FLEET].engines:
        engine.status.update(state="failed", progress=told)
    with pytest.raises(JobError, match=r"has no engine: Out of GPU memory"):
        await job().run()
