"""What an image's URL stands for."""

from collections.abc import AsyncIterator

import pytest

from adapter.errors import InvalidRequestError, RemoteImageError
from adapter.images.sources import DataURL, ImageFile, ImageLimits
from adapter.web.openai.image_url import MAX_SHORT_URL, short_url, to_source
from adapter.web.remote_image import RemoteImages


@pytest.fixture
async def nowhere() -> AsyncIterator[RemoteImages]:
    """Gives remote images of no host."""
    images = RemoteImages((), ImageLimits(10**6, 10**6), 1.0)
    yield images
    await images.close()


def ignore(more_bytes: int) -> None:
    """Counts nothing."""


async def test_to_source_goes_by_the_scheme(nowhere: RemoteImages) -> None:
    """A file's path may be percent-encoded, and its host may be this machine."""
    assert await to_source("DATA:image/png;base64,AAAA", nowhere, ignore) == DataURL(
        "DATA:image/png;base64,AAAA"
    )
    assert await to_source("file:///a%20b.png", nowhere, ignore) == ImageFile("/a b.png")
    assert await to_source("file://localhost/a.png", nowhere, ignore) == ImageFile("/a.png")
    with pytest.raises(RemoteImageError, match="CAPTION_ALLOWED_IMAGE_HOSTS"):
        await to_source("https://images.example/a.png", nowhere, ignore)


@pytest.mark.parametrize("url", ["", "/a.png", "ftp://x/a.png", "file://other/a.png", "http://["])
async def test_to_source_of_another_url_is_refused(nowhere: RemoteImages, url: str) -> None:
    """The error says what is taken."""
    with pytest.raises(InvalidRequestError, match="URL"):
        await to_source(url, nowhere, ignore)


def test_short_url_keeps_images_and_secrets_out_of_the_log() -> None:
    """A line of the log stays short, too."""
    assert short_url("data:image/png;base64,AAAA") == "data:"
    assert short_url("https://images.example/a.png?token=secret") == "https://images.example/a.png"
    assert len(short_url("https://x/" + "a" * 10_000)) == MAX_SHORT_URL
