"""What the engine's own Python is needed for."""

import shlex
import subprocess
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The Python that launch_vllm.sh would run vLLM with."""
    printed = subprocess.run(
        [PROJECT_DIR / "launch_vllm.sh", "--print-command"], capture_output=True, text=True, check=True
    )
    return Path(shlex.split(printed.stdout)[0])
