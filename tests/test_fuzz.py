"""The fuzzer that anyone can run longer."""

import subprocess
import sys

from adapter.config import PROJECT_DIR


def test_a_short_fuzz_finds_nothing() -> None:
    """It tries everything that it has found before, and some new inputs of each kind."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seconds", "5", "--seed", "1"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "inputs tried, 0 problems" in ended.stdout
