"""The page's own files."""

import re

import pytest

from adapter.web.pages.site import FOLDER
from tests.web.conftest import Service


async def test_home_is_the_page_for_anybody(service: Service) -> None:
    """It holds nothing that isn't public. What it loads is ours, and no other page may frame it."""
    async with service.session.get(service.server.make_url("/")) as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert response.status == 200
    assert response.content_type == "text/html"
    for rule in ("default-src 'self'", "img-src 'self' blob:", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    for path in re.findall(r'(?:src|href)="([^"]+)"', text):
        async with service.session.get(service.server.make_url(path)) as response:
            assert response.status == 200, path


@pytest.mark.parametrize("name", [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.js")])
async def test_modules_import_only_files_that_are_there(service: Service, name: str) -> None:
    """By their own addresses: there is no build step, and nothing comes from other hosts."""
    async with service.session.get(service.server.make_url(f"/page/{name}")) as response:
        text = await response.text()
    assert response.content_type == "text/javascript"
    assert "https://" not in re.sub(r"//.*", "", text) or name.startswith("vendor/")
    for imported in re.findall(r'from ?"([^"]+)"', text):
        path = imported if imported.startswith("/") else f"/page/vendor/{imported.removeprefix('./')}"
        async with service.session.get(service.server.make_url(path)) as response:
            assert response.status == 200, imported


@pytest.mark.parametrize("path", ["/page/none.js", "/page/../site.py", "/page/%2e%2e/site.py", "/page/"])
async def test_no_other_file_is_served(service: Service, path: str) -> None:
    """Whatever the path tries."""
    async with service.session.get(str(service.server.make_url("/")).rstrip("/") + path) as response:
        assert response.status == 404
