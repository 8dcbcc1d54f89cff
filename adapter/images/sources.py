"""Where an image's bytes come from: a file, a data URL, or bytes that are in memory already.

What the bytes show is left to `pixels`.
"""

import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import pybase64

from adapter.errors import (
    FileMissingError,
    ImageDamagedError,
    ImageTooLargeError,
    InvalidRequestError,
)
from adapter.images.roots import open_file

DATA_SCHEME = "data:"
MAX_PATH_BYTES = 4095  # Linux's PATH_MAX, without the NUL at its end
BLANKS = b" \t\r\n"
URL_SAFE_TO_PLAIN = bytes.maketrans(b"-_", b"+/")
BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
PERCENT_SEQUENCE = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class ImageLimits:
    """What is refused: files over `max_bytes`, images over `max_pixels`, and paths outside `roots`.

    With `roots` None any path may be read. `reserve` is told a file's bytes before they are read, and may
    wait.
    """

    max_bytes: int
    max_pixels: int
    roots: tuple[str, ...] | None = None
    reserve: Callable[[int], None] = field(default=lambda _: None, repr=False, compare=False)


class ImageSource(Protocol):
    """Something that an image's bytes can be read from."""

    def read(self, limits: ImageLimits) -> bytes:
        """Gives the bytes, and may block meanwhile. Raises errors with the fault of image or request."""


@dataclass(frozen=True)
class ImageFile:
    """The regular file at the absolute `path`."""

    path: str

    def read(self, limits: ImageLimits) -> bytes:
        """Gives the file's bytes.

        Raises InvalidRequestError for a relative path, FileNotAllowedError, FileMissingError,
        ImageTooLargeError, and NotAnImageError where there is something other than a regular file.
        """
        path = self.path
        if not os.path.isabs(path) or "\0" in path:
            raise InvalidRequestError("An image must be given by its absolute path")
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise FileMissingError(f"Image not found: its path is longer than {MAX_PATH_BYTES} bytes")
        descriptor = open_file(path, limits.roots)
        try:
            status = os.fstat(descriptor)
            if status.st_size > limits.max_bytes:
                raise _too_many_bytes(limits)
            limits.reserve(status.st_size)
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(limits.max_bytes + 1)
        except OSError as error:
            raise ImageDamagedError("The file can't be read to its end") from error
        finally:
            os.close(descriptor)
        if len(data) > limits.max_bytes:
            raise _too_many_bytes(limits)
        return data


@dataclass(frozen=True)
class ImageBytes:
    """A whole file's bytes."""

    data: bytes = field(repr=False)

    def read(self, limits: ImageLimits) -> bytes:
        """Gives the bytes. Raises ImageTooLargeError."""
        if len(self.data) > limits.max_bytes:
            raise _too_many_bytes(limits)
        return self.data


@dataclass(frozen=True)
class DataURL:
    """`data:[TYPE][;base64],DATA` (RFC 2397). The type isn't believed: the bytes tell."""

    url: str = field(repr=False)

    def read(self, limits: ImageLimits) -> bytes:
        """Gives the decoded bytes. Raises InvalidRequestError, ImageTooLargeError.

        Base64 may come in either alphabet, with or without padding, with blanks in it and percent-encoded.
        """
        head, comma, body = self.url.partition(",")
        if not head.lower().startswith(DATA_SCHEME) or not comma:
            raise InvalidRequestError("The data URL must have the form data:image/...;base64,...")
        is_base64 = head.lower().replace(" ", "").endswith(";base64")
        # Four characters hold three bytes, and one escaped byte takes three characters.
        if len(body) > limits.max_bytes * 4:
            raise _too_many_bytes(limits)
        data = _to_ascii(body)
        if PERCENT_SEQUENCE.search(body):
            data = _unquoted(data)
        return ImageBytes(_from_base64(data) if is_base64 else data).read(limits)


def _to_ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise InvalidRequestError("The data URL holds characters that no URL may hold") from error


def _unquoted(text: bytes) -> bytes:
    """Undoes percent-encoding, in memory that doesn't grow with the number of escapes.

    Quoted-printable is the same with another sign, and is decoded in C. Raises InvalidRequestError.
    """
    if BROKEN_ESCAPE.search(text):
        raise InvalidRequestError("The data URL holds a % that begins no escape")
    return binascii.a2b_qp(text.replace(b"=", b"%3D").replace(b"%", b"="))


def _from_base64(text: bytes) -> bytes:
    text = text.translate(URL_SAFE_TO_PLAIN, BLANKS).rstrip(b"=")
    try:
        return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError as error:  # binascii.Error is one
        raise InvalidRequestError("The data URL's base64 can't be decoded") from error


def _too_many_bytes(limits: ImageLimits) -> ImageTooLargeError:
    return ImageTooLargeError(f"The file is larger than {limits.max_bytes} bytes")
