"""Jobs of AI-Toolkit's, run against a service as its own process would run them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joycaption.captioner import JoyCaptioner
from PIL import Image

from adapter.web.pages.datasets import RUNS
from adapter.web.pages.session import load_token
from tests.web.conftest import Service, service, starting

__all__ = ["service", "starting"]

MakeJob = Callable[..., "Task"]


@dataclass
class Task:
    """A job, and what it printed."""

    captioner: JoyCaptioner
    capture: pytest.CaptureFixture[str]

    async def run(self) -> str:
        """Runs the job beside the service. Gives what was printed. Raises what the job raises."""
        await asyncio.to_thread(self.captioner.run)
        return self.capture.readouterr().out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a dataset of six pictures."""
    folder = tmp_path / "data set"
    (folder / "below").mkdir(parents=True)
    for number in range(6):
        name = f"below/{number}.jpg" if number % 2 else f"{number}.png"
        Image.new("RGB", (20, 10), (number * 30, 9, 99)).save(folder / name)
    return folder


@pytest.fixture
def job(
    starting: Service,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> MakeJob:
    """Makes jobs over the dataset for the service, with more fields. They don't ask the GPU back."""
    load_token(tmp_path / "data")
    monkeypatch.setenv("CAPTION_DATA_DIR", str(tmp_path / "data"))

    def make(**fields: Any) -> Task:
        given = {
            "path_to_caption": str(folder),
            "service_url": str(starting.server.make_url("")),
            "release": False,
        }
        return Task(JoyCaptioner(0, None, {"caption": given | fields}), capsys)

    return make


def texts(folder: Path) -> dict[str, str]:
    """Gives all texts of a dataset."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.txt")}


def run_states(service: Service) -> list[str]:
    """Gives the states of the service's runs."""
    return [run.state for run in service.app[RUNS]]
