"""The command line, as a program."""

import subprocess
import sys

import pytest

import adapter.__main__
from adapter.config import PROJECT_DIR, Settings, environment_name


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapter", *arguments],
        cwd=PROJECT_DIR,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_setting_with_flag_and_variable() -> None:
    """One name each."""
    shown = run("serve", "--help").stdout
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in shown
        assert environment_name(name) in shown
    assert adapter.__main__.__doc__


@pytest.mark.parametrize(
    ("arguments", "environment", "error"),
    [
        (["serve", "--port", "70000"], {}, "error: --port: "),
        (["serve"], {"CAPTION_PORT": "x"}, "error: CAPTION_PORT: "),
        (["serve", "--styles-file", "/none.json"], {}, "error: /none.json can't be read"),
        (["serve", "--host", "none.invalid"], {}, "error: can't listen on none.invalid"),
    ],
)
def test_a_mistake_ends_with_one_line(arguments: list[str], environment: dict[str, str], error: str) -> None:
    """And exit code 2, without a stack trace."""
    ended = run(*arguments, **environment)
    assert ended.returncode == 2
    assert ended.stderr.startswith(error)
    assert len(ended.stderr.splitlines()) == 1
