"""A ledger and an engine, for the tests of what uses one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.selection import Dataset
from tests.datasets import dataset_in
from tests.fake_engine import FakeEngine


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Opens the ledger of the dataset in `tmp_path`."""
    ledger = Ledger.open(tmp_path / ".joycaption/ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def dataset(tmp_path: Path, ledger: Ledger) -> Dataset:
    """Gives `tmp_path` as a dataset."""
    return dataset_in(tmp_path, ledger)


@pytest.fixture
async def engine() -> AsyncIterator[tuple[FakeEngine, str]]:
    """Starts a fake engine, and gives it with its URL."""
    fake = FakeEngine()
    server = await fake.start()
    yield fake, str(server.make_url(""))
    await server.close()
