"""A client that may use the page."""

from pathlib import Path

import pytest

from adapter.web.pages.session import load_token
from tests.web.conftest import Service


@pytest.fixture
async def owner(service: Service, tmp_path: Path) -> Service:
    """Gives the service with a client that has the page's token."""
    service.session.headers["Authorization"] = f"Bearer {load_token(tmp_path / 'data')}"
    return service
