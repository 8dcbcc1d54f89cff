"""Pictures of a dataset's images: small ones, and the images themselves."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from PIL import Image

from tests.pictures import encoded, gradient
from tests.web.conftest import Service

ROTATED = 6  # EXIF's number for a picture that lies on its side


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder of images of several kinds, of 600 x 400 pixels when upright."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    upright, lying = gradient((600, 400)), gradient((400, 600))
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        (folder / f"{kind.lower()}.{kind.lower()}").write_bytes(encoded(upright, kind))
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    (folder / "lying.jpg").write_bytes(encoded(lying, "JPEG", exif=exif))
    (folder / "lying.tiff").write_bytes(encoded(lying, "TIFF", exif=exif))
    (folder / "page.png").write_bytes(b"<script>alert(1)</script>" * 10)
    (folder / "empty.png").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "broken.png").symlink_to("nothing")
    (tmp_path / "outside.png").write_bytes(encoded(upright, "PNG"))
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "secret.png").symlink_to("/etc/passwd")
    os.rename(folder / "gif.gif", os.fsencode(folder) + b"/caf\xe9 &#?.gif")
    return folder


async def opened(owner: Service, folder: Path) -> str:
    """Gives the path of the folder's dataset, when all its images are known."""
    _, state = await owner.post("/api/datasets", {"folder": str(folder)})
    path = f"/api/datasets/{state['id']}"
    async with owner.session.get(owner.server.make_url(f"{path}/events")) as response:
        async for line in response.content:
            if b'"is_refreshing":false' in line:
                break
    return path


async def get(owner: Service, path: str, **parameters: str) -> tuple[ClientResponse, bytes]:
    url = owner.server.make_url(path).with_query(parameters)
    async with owner.session.get(url) as response:
        return response, await response.read()


async def ids(owner: Service, path: str) -> dict[str, dict[str, Any]]:
    _, answer = await owner.get(f"{path}/items?limit=200")
    return {one["id"]: one for one in answer["items"]}


async def test_small_pictures_are_webp_upright_and_kept(owner: Service, folder: Path, tmp_path: Path) -> None:
    """Of all kinds, linked and oddly named ones too, in the service's folder and never in the dataset."""
    before = sorted(os.listdir(os.fsencode(folder)))
    path = await opened(owner, folder)
    names = (
        "png.png",
        "jpeg.jpeg",
        "webp.webp",
        "bmp.bmp",
        "tiff.tiff",
        "lying.jpg",
        "lying.tiff",
        "link.png",
    )
    for name in (*names, "caf%E9%20%26%23%3F.gif"):
        for _ in range(2):
            response, data = await get(owner, f"{path}/thumbnail", image=name)
            assert (response.status, response.content_type) == (200, "image/webp"), name
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (320, 213), name
    assert len(list((tmp_path / "data/thumbnails").rglob("*.webp"))) == 9
    assert sorted(os.listdir(os.fsencode(folder))) == before


async def test_a_small_picture_follows_its_image(owner: Service, folder: Path) -> None:
    """What has the image's version in its address is kept by the browser, and that changes with the image."""
    path = await opened(owner, folder)
    version = (await ids(owner, path))["png.png"]["version"]
    response, _ = await get(owner, f"{path}/thumbnail", image="png.png", version=version)
    assert "immutable" in response.headers["Cache-Control"]
    (folder / "png.png").write_bytes(encoded(gradient((300, 300)), "PNG"))
    await opened(owner, folder)
    assert (await ids(owner, path))["png.png"]["version"] != version
    response, second = await get(owner, f"{path}/thumbnail", image="png.png")
    assert response.headers["Cache-Control"] == "no-cache"
    with Image.open(io.BytesIO(second)) as picture:
        assert picture.size == (300, 300)


async def test_whole_pictures_are_the_files_themselves_where_browsers_show_them(
    owner: Service, folder: Path
) -> None:
    """Else WebP, upright; nothing in them is run as a page."""
    path = await opened(owner, folder)
    for name, kind in (
        ("png.png", "image/png"),
        ("jpeg.jpeg", "image/jpeg"),
        ("webp.webp", "image/webp"),
        ("bmp.bmp", "image/bmp"),
        ("lying.jpg", "image/jpeg"),
        ("link.png", "image/png"),
    ):
        response, data = await get(owner, f"{path}/picture", image=name)
        assert (response.status, response.content_type) == (200, kind)
        assert data == (folder / name).read_bytes()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
    for name in ("tiff.tiff", "lying.tiff"):
        response, data = await get(owner, f"{path}/picture", image=name)
        assert (response.status, response.content_type) == (200, "image/webp")
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (600, 400)


@pytest.mark.parametrize("starting", [{"max_file_bytes": 10**6}], indirect=True)
async def test_what_is_no_image_is_an_error(owner: Service, folder: Path) -> None:
    """Nothing of a file is shown that isn't one; no pipe is waited for."""
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 10**6)
    path = await opened(owner, folder)
    for route in ("thumbnail", "picture"):
        for name, status in (
            ("page.png", 422),
            ("empty.png", 422),
            ("pipe.png", 404),
            ("broken.png", 404),
            ("secret.png", 422),
            ("huge.png", 422),
            ("none.png", 404),
            ("../outside.png", 404),
            ("/etc/passwd", 404),
            ("%00", 404),
            ("", 404),
        ):
            response, data = await get(owner, f"{path}/{route}", image=name)
            assert response.status == status, (route, name, data)
            assert response.content_type == "application/json"
            assert b"root:" not in data
