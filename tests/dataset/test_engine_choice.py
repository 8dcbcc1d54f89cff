"""Which engine a run uses."""

import os
from pathlib import Path

import pytest

from adapter.config import Settings
from adapter.dataset.engine_choice import choose_engine
from adapter.engine.announce import SOCKET_BY_HAND, RunningEngine, announced, running_engines

SERVICE = RunningEngine("unix:/run/engine.sock", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


async def test_the_one_that_is_named_wins(folder: Path) -> None:
    """Over one that runs."""
    settings = Settings.load({"engine_url": "http://127.0.0.1:1", "run_dir": folder})
    with announced(folder, SERVICE):
        assert await choose_engine(settings) == "http://127.0.0.1:1"


async def test_a_running_services_is_used(folder: Path) -> None:
    """Without it, one is to be started."""
    settings = Settings.load({"run_dir": folder})
    assert await choose_engine(settings) is None
    with announced(folder, SERVICE):
        assert await choose_engine(settings) == SERVICE.url
    assert await choose_engine(settings) is None


async def test_one_with_another_model_is_not(folder: Path) -> None:
    """The run asks for its own."""
    with announced(folder, RunningEngine("unix:/x", "org/one")):
        assert await choose_engine(Settings.load({"run_dir": folder, "model": "org/two"})) is None
        assert await choose_engine(Settings.load({"run_dir": folder, "model": "org/one"})) == "unix:/x"
        assert await choose_engine(Settings.load({"run_dir": folder})) == "unix:/x"


async def test_one_started_by_hand_is_used_when_it_answers(folder: Path) -> None:
    """A socket that was left behind is none."""
    folder.mkdir(mode=0o700)
    (folder / SOCKET_BY_HAND).touch()
    (running,) = running_engines(folder)
    assert not running.is_service
    assert await choose_engine(Settings.load({"run_dir": folder})) is None


def test_a_service_that_was_killed_is_not_found(folder: Path) -> None:
    """Its file is still there."""
    with announced(folder, SERVICE):
        (told,) = folder.glob("service-*.json")
        text = told.read_text()
    dead = folder / "service-1.json"
    dead.write_text(text.replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    (folder / "service-2.json").write_text("{")
    (folder / "service-3.json").write_text("{}")
    assert list(running_engines(folder)) == []


def test_a_folder_that_others_can_write_to_is_not_believed(folder: Path) -> None:
    """Anybody could name an engine there."""
    with announced(folder, SERVICE):
        folder.chmod(0o777)
        assert list(running_engines(folder)) == []
        folder.chmod(0o700)
        assert list(running_engines(folder)) == [SERVICE]


def test_a_folder_that_can_not_be_made_is_no_error(tmp_path: Path) -> None:
    """The service runs all the same."""
    (tmp_path / "file").touch()
    with announced(tmp_path / "file/run", SERVICE):
        assert list(running_engines(tmp_path / "file/run")) == []
