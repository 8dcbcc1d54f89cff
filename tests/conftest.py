"""Fixtures that all kinds of tests share."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from adapter.config import PROJECT_DIR
from adapter.prompts import PromptBook


@pytest.fixture(scope="session")
def book() -> PromptBook:
    """The project's own styles.json."""
    return PromptBook.load(PROJECT_DIR / "styles.json")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture in a file."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), (200, 30, 40)).save(path)
    return path


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The Python that launch_vllm.sh runs vLLM with on a CPU."""
    printed = subprocess.run(
        [PROJECT_DIR / "launch_vllm.sh", "--print-command"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    return Path(shlex.split(printed.stdout)[0])
