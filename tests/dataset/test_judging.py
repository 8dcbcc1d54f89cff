"""Texts that are read and judged, here and by other processes."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from adapter.caption.flaws import Form
from adapter.dataset.judging import CHUNK, MAX_CHUNKS_HERE, Named, Standard, judged, read_and_judge
from adapter.errors import OutOfResourcesError

LOOP = "ha " * 20
ENOUGH = (MAX_CHUNKS_HERE + 3) * CHUNK  # for other processes to be needed


class Recorder(ProcessPoolExecutor):
    """Notes how much it was given that is unfinished."""

    most = given = 0

    def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
        self.given += 1
        self.most = max(self.most, len(self._pending_work_items) + 1)
        return super().submit(*arguments, **named)


@pytest.fixture
def executor() -> Iterator[Recorder]:
    with Recorder(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


def named(folder: Path, count: int) -> list[Named]:
    """Gives the names of texts, of which each tenth loops and each eleventh isn't there."""
    for number in range(count):
        if number % 11:
            text = LOOP if number % 10 == 0 else f"A good text about number {number}."
            (folder / f"{number}.txt").write_text(text)
    return [(f"{number}.txt", f"{number}.png") for number in range(count)]


def test_judged_gives_the_same_here_and_by_other_processes(executor: Recorder, tmp_path: Path) -> None:
    """In the order of the names, and with few of them under way at one time."""
    standard = Standard(str(tmp_path), Form.PROSE)
    names = named(tmp_path, ENOUGH)
    found = list(judged(standard, names, executor, 2))
    assert found == read_and_judge(standard, names)
    assert executor.given > 1
    assert executor.most <= 6


def test_judged_of_a_small_dataset_starts_no_process(executor: Recorder, tmp_path: Path) -> None:
    """That would take longer than the judging."""
    standard = Standard(str(tmp_path), Form.PROSE)
    found = judged(standard, iter(named(tmp_path, 30)), executor, 2)
    assert next(found).path == "1.txt"
    assert len(list(found)) == 26
    assert executor.given == 0


def test_judged_by_a_process_that_is_killed_says_so(tmp_path: Path) -> None:
    """The kernel kills where memory is short."""
    # A second one might just be started while the executor ends all: it would wait for that one for ever.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:

        def names() -> Iterator[Named]:
            yield from named(tmp_path, ENOUGH)
            for process in executor._processes.values():
                os.kill(process.pid or 0, signal.SIGKILL)
            yield from [("0.txt", "0.png")] * 9 * CHUNK

        with pytest.raises(OutOfResourcesError) as caught:
            list(judged(Standard(str(tmp_path)), names(), executor, 1))
    assert isinstance(caught.value.__cause__, BrokenProcessPool)
