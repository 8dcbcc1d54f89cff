"""The fixtures that all kinds of tests share."""

import logging
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from PIL import Image

from adapter.caption.prompts import PromptBook
from adapter.config import PROJECT_DIR, environment_name
from adapter.settings import Settings
from tests.command import Command
from tests.fake_engine import FakeEngine
from tests.machines import Machines, cluster
from tests.stores import BUCKET, CREDENTIALS

MAX_ID = 200  # characters


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the real engine first: the others fit beside them where several workers run."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names what is long by its length: the name of a test goes into the environment of what it starts."""
    if isinstance(val, str | bytes) and len(val) > MAX_ID:
        return f"{argname}-{len(val)}"
    return None


@pytest.fixture(scope="session", autouse=True)
def no_own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the developer's own styles out of the tests, and the tests out of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Gives the port of a store that speaks S3, with one bucket, and sets what its clients need."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        _, port = server.get_host_and_port()
        S3FileSystem(
            endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True
        ).create_dir(BUCKET)
        yield port
        server.stop()


@pytest.fixture(scope="session")
def machines(s3_port: int) -> Iterator[Machines]:
    """Gives a Ray cluster on this machine, whose workers have the store's keys, and none of the developer's
    settings.
    """
    ours = {environment_name(name) for name in Settings.model_fields} - {"CAPTION_VENV_DIR"}
    with pytest.MonkeyPatch.context() as patch:
        for name in ours:
            patch.delenv(name, raising=False)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # whatever the developer's own clusters have
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        with cluster() as started:
            yield started


@pytest.fixture(scope="session")
def book() -> PromptBook:
    """Gives the project's own styles.json."""
    path = PROJECT_DIR / "styles.json"
    return PromptBook.parse(path.read_bytes(), str(path))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Writes a small picture into a file, and gives its path."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), (200, 30, 40)).save(path)
    return path


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """Gives the Python that launch_vllm.sh runs vLLM with on a CPU: the first word that sets no variable."""
    printed = subprocess.run(
        [PROJECT_DIR / "launch_vllm.sh", "--print-command"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    sets_variable = re.compile(r"\w+=").match
    return Path(next(word for word in shlex.split(printed.stdout) if not sets_variable(word)))


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """Gives the command, a folder for it to caption, and a fake engine that it uses."""
    engine = FakeEngine()
    server = await engine.start()
    folder = tmp_path / "data set"
    folder.mkdir()
    ours = {environment_name(name) for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {
        "CAPTION_ENGINE_URL": str(server.make_url("")),
        "CAPTION_RUN_DIR": str(tmp_path / "run"),
        "PYTHONPATH": str(PROJECT_DIR),
    }
    yield Command(engine, server, folder, environment)
    await server.close()
