"""What an image's URL stands for: bytes in the URL itself, a file, or a file on another machine."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from adapter.errors import InvalidRequestError
from adapter.images.sources import DATA_SCHEME, DataURL, ImageFile, ImageSource
from adapter.web.remote_image import RemoteImages

LOCAL_HOSTS = ("", "localhost")
MAX_SHORT_URL = 500  # characters in a line of the log


async def to_source(url: str, remote_images: RemoteImages, hold: Callable[[int], None]) -> ImageSource:
    """Gives the image's source, which for an http(s) URL is fetched here; `hold` is told the bytes that came.

    Raises InvalidRequestError for any other URL, and as `RemoteImages.fetch` does.
    """
    if _is_data(url):
        return DataURL(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidRequestError("The image's URL can't be read") from error
    if parts.scheme == "file" and parts.netloc in LOCAL_HOSTS:
        return ImageFile(unquote(parts.path))
    if parts.scheme in ("http", "https"):
        return await remote_images.fetch(url, hold)
    raise InvalidRequestError("An image's URL must be a data:, file: or https: URL")


def short_url(url: str) -> str:
    """Gives the URL for the log: without the image in it, and without secrets that its query may hold."""
    return DATA_SCHEME if _is_data(url) else url.partition("?")[0][:MAX_SHORT_URL]


def _is_data(url: str) -> bool:
    return url[: len(DATA_SCHEME)].lower() == DATA_SCHEME
