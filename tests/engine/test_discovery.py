"""How engines are announced, and which one a run uses."""

import os
import re
from pathlib import Path

import pytest
from aiohttp import web

from adapter.engine.discovery import (
    SOCKET_BY_HAND,
    RunningEngine,
    announced,
    find_engines,
    running_engines,
)
from adapter.engine_settings import EngineSettings
from tests.fake_engine import FakeEngine

SERVICE = RunningEngine("unix:/run/engine.sock", None, os.getpid())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives the path of a folder that isn't there yet."""
    return tmp_path / "run"


async def test_find_engines_when_one_is_named_gives_that(folder: Path) -> None:
    """A named engine wins over a running one."""
    settings = EngineSettings.load({"engine_url": "http://127.0.0.1:1", "run_dir": folder})
    with announced(folder, SERVICE):
        assert await find_engines(settings) == ("http://127.0.0.1:1",)


async def test_find_engines_gives_a_running_services(folder: Path) -> None:
    """Without such an engine, one has to be started."""
    settings = EngineSettings.load({"run_dir": folder})
    assert await find_engines(settings) == ()
    with announced(folder, SERVICE):
        assert await find_engines(settings) == (SERVICE.url,)
    assert await find_engines(settings) == ()


async def test_find_engines_gives_all_of_one_service(folder: Path) -> None:
    """A run uses them together; another service's are not for it to mix with them."""
    second = RunningEngine("unix:/run/second.sock", None, os.getpid())
    with announced(folder, SERVICE), announced(folder, second, "engine-2"):
        told = (folder / f"service-{os.getpid()}-engine-2.json").read_text()
        other = folder / "service-999-engine-1.json"
        began = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
        told = re.sub(r'"began": "\d+"', f'"began": "{began}"', told.replace("second", "other"))
        other.write_text(told.replace(f'"pid": {os.getpid()}', '"pid": 1'))
        assert await find_engines(EngineSettings.load({"run_dir": folder})) == (SERVICE.url, second.url)


async def test_find_engines_passes_over_another_model(folder: Path) -> None:
    """An engine counts where it serves the model that the run asks for, or where the run asks for none."""
    with announced(folder, RunningEngine("unix:/x", "org/one")):
        assert await find_engines(EngineSettings.load({"run_dir": folder, "model": "org/two"})) == ()
        assert await find_engines(EngineSettings.load({"run_dir": folder, "model": "org/one"})) == (
            "unix:/x",
        )
        assert await find_engines(EngineSettings.load({"run_dir": folder})) == ("unix:/x",)


async def test_find_engines_gives_one_started_by_hand_when_it_answers(folder: Path) -> None:
    """A socket that was left behind is no engine."""
    folder.mkdir(mode=0o700)
    settings = EngineSettings.load({"run_dir": folder})
    socket = folder / SOCKET_BY_HAND
    socket.touch()
    (running,) = running_engines(folder)
    assert running.service is None
    assert await find_engines(settings) == ()
    socket.unlink()
    runner = web.AppRunner(FakeEngine().app())
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    assert await find_engines(settings) == (f"unix:{socket}",)
    await runner.cleanup()


def test_running_engines_without_those_of_services_that_were_killed(folder: Path) -> None:
    """Their files are still there, and so are files that nobody can read."""
    with announced(folder, SERVICE):
        (told,) = folder.glob("service-*.json")
        text = told.read_text()
    dead = folder / "service-1.json"
    dead.write_text(text.replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    (folder / "service-2.json").write_text("{")
    (folder / "service-3.json").write_text("{}")
    assert list(running_engines(folder)) == []


def test_running_engines_without_those_whose_number_another_program_has(folder: Path) -> None:
    """A process is known by its number and by when it began."""
    with announced(folder, SERVICE):
        (told,) = folder.glob("service-*.json")
        text = told.read_text()
        assert list(running_engines(folder)) == [SERVICE]
        told.write_text(re.sub(r'"began": "\d+"', '"began": "1"', text))
        assert list(running_engines(folder)) == []


def test_running_engines_of_a_folder_that_others_can_write_to_are_not_believed(folder: Path) -> None:
    """Anybody could name an engine there."""
    with announced(folder, SERVICE):
        folder.chmod(0o777)
        assert list(running_engines(folder)) == []
        folder.chmod(0o700)
        assert list(running_engines(folder)) == [SERVICE]


def test_announced_in_a_folder_that_can_not_be_made_goes_on(tmp_path: Path) -> None:
    """A convenience is nothing that a service should fail for."""
    (tmp_path / "file").touch()
    with announced(tmp_path / "file/run", SERVICE):
        assert list(running_engines(tmp_path / "file/run")) == []
