"""Processes that work for another one."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from adapter.child_process import follow_parent


def test_a_child_ends_when_its_leash_is_let_go() -> None:
    """Whatever it is doing."""
    context = multiprocessing.get_context("spawn")
    reader, leash = context.Pipe(duplex=False)
    with ProcessPoolExecutor(1, context, follow_parent, (reader,)) as executor:
        assert executor.submit(abs, -1).result() == 1
        sleeping = executor.submit(time.sleep, 600)
        leash.close()
        with pytest.raises(BrokenProcessPool):
            sleeping.result()
    reader.close()
