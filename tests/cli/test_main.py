"""The command line, as a program."""

import subprocess
import sys

import pytest

from adapter.cli.main import COMMANDS
from adapter.config import PROJECT_DIR, environment_name
from adapter.policy import ExitCode
from adapter.settings import RunSettings, Settings


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


@pytest.mark.parametrize(("command", "group"), [("serve", Settings), ("caption", RunSettings)])
def test_help_names_every_setting_with_flag_and_variable(
    command: str, group: type[Settings | RunSettings]
) -> None:
    """A setting has one name in each place, and a command has the settings that it has a use for."""
    shown = run(command, "--help").stdout
    for name in Settings.model_fields:
        used = name in group.model_fields
        assert (f"--{name.replace('_', '-')} " in shown) is used, name
        assert (environment_name(name) + "]" in shown) is used, name


def test_help_imports_nothing_that_takes_long() -> None:
    """Each command's module, and what it needs, is imported when that command runs."""
    program = """
import sys
from adapter.cli.main import run
try:
    run(["--help"])
finally:
    print(*sys.modules, file=sys.stderr)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert all(command in ended.stdout for command in COMMANDS)
    imported = set(ended.stderr.split())
    heavy = {"aiohttp", "openai", "pydantic_settings", "PIL", "uvloop", "yaml", "rich.live", "rich.progress"}
    assert not imported & heavy
    ours = {name for name in imported if name.startswith("adapter.")}
    assert ours <= {"adapter.cli", "adapter.cli.main", "adapter.errors", "adapter.policy"}


def test_only_serve_imports_openai() -> None:
    """The package takes most of a second, which no other command needs to pay."""
    program = "import sys, adapter.cli.caption, adapter.cli.status; sys.exit('openai' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT_DIR, check=True)


def test_without_arguments_there_is_help_and_exit_code_2() -> None:
    """So it is with a command that isn't there, which is told in one line."""
    ended = run()
    assert ended.returncode == ExitCode.WRONG_USAGE
    assert "caption" in ended.stdout + ended.stderr
    ended = run("nonsense")
    assert ended.returncode == ExitCode.WRONG_USAGE
    assert ended.stderr.splitlines() == [
        "error: There is no command nonsense. The commands are serve, caption, plan, page, undo, "
        "check, integrate, status"
    ]


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
    """The exit code is 2, and there is no stack trace."""
    ended = run(*arguments, **environment)
    assert ended.returncode == 2
    assert ended.stderr.startswith(error)
    assert len(ended.stderr.splitlines()) == 1
