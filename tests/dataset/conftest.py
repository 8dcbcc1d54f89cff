"""A ledger, for the tests of what uses one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.selection import Dataset
from tests.datasets import dataset_in


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
