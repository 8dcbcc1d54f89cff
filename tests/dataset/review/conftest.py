"""A folder that is reviewed."""

from pathlib import Path

import pytest

from tests.reviewed import Reviewed


@pytest.fixture
def reviewed(tmp_path: Path) -> Reviewed:
    """Gives an empty folder, whose index lies beside it."""
    (tmp_path / "data").mkdir()
    return Reviewed(tmp_path / "data", tmp_path / "indexes/one.sqlite")
