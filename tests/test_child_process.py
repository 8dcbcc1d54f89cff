"""Processes that end with the one that started them."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from adapter.child_process import follow_parent
from tests.processes import below
from tests.waiting import until

# Starts a child that would work for ever, and says when it has begun.
PARENT = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from adapter.child_process import follow_parent

if __name__ == "__main__":
    executor = ProcessPoolExecutor(1, get_context("spawn"), follow_parent)
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 1000)
    time.sleep(1000)
"""


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def parent(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a process with a child that works."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, start_new_session=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def test_a_process_ends_with_its_parent(parent: "subprocess.Popen[bytes]") -> None:
    """Also when that is killed, while the child works; an interrupt of both it leaves to its parent."""
    assert parent.stdout is not None
    child = int(await asyncio.to_thread(parent.stdout.readline))
    assert child in set(below(parent.pid))
    os.kill(child, signal.SIGINT)
    assert is_alive(child)
    parent.kill()
    await until(lambda: not is_alive(child))


async def test_a_process_ends_when_its_leash_is_let_go() -> None:
    """Whatever it is doing."""
    context = multiprocessing.get_context("spawn")
    reader, leash = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(1, context, follow_parent, (reader,))
    child = executor.submit(os.getpid).result()
    executor.submit(_work_for_ever, None)
    assert is_alive(child)
    leash.close()
    await until(lambda: not is_alive(child))
    executor.shutdown()
    reader.close()


def _work_for_ever(_: Connection | None) -> None:
    while True:
        pass
