"""The command line in this process, for what ends before anything is begun."""

import logging
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.cli.main import run
from adapter.config import ENVIRONMENT_PREFIX
from tests.command import Ended

RunHere = Callable[..., Ended]


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[RunHere]:
    """Gives what runs `joycaption` in `tmp_path` and in this process, which is a start of Python cheaper."""
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    handlers = list(logging.root.handlers)

    def ended(*arguments: str | bytes) -> Ended:
        with pytest.raises(SystemExit) as caught:
            run([os.fsdecode(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ended(int(caught.value.code or 0), told.out, told.err)

    yield ended
    logging.root.handlers[:] = handlers
    resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)
