"""Shards and their outputs for tests."""

import io
import random
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow
from PIL import Image
from pyarrow import parquet

from tests.pictures import encoded


def shade(number: int) -> bytes:
    """Gives the PNG file of a picture; each number has another."""
    return encoded(Image.new("RGB", (20, 10), (number % 256, number // 256, 99)), "PNG")


def tar_of(members: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> bytes:
    """Gives a tar of those files, or of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def webdataset(count: int, first: int = 0) -> bytes:
    """Gives a tar as img2dataset writes it: a picture, a text and metadata for each of the keys."""
    members = []
    for number in range(first, first + count):
        members += [
            (f"{number:09}.png", shade(number)),
            (f"{number:09}.txt", b"alt text"),
            (f"{number:09}.json", b"{}"),
        ]
    return tar_of(members)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Gives what is left of a file after some accidents."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = chance.randbytes(1)
            case 1:
                del found[at : at + chance.choice((1, 512, 5000))]
            case 2:
                found[at:at] = chance.randbytes(chance.choice((1, 512)))
            case _:
                found[at : at + 512] = bytes([chance.choice((0, 255, 48))]) * 512
    return bytes(found)


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    """Writes a Parquet file of those columns."""
    parquet.write_table(pyarrow.table(columns), path)


def rows(path: Path) -> dict[str, dict[str, Any]]:
    """Gives the rows of an output by their keys, of which there must be no two alike."""
    found = parquet.read_table(path).to_pylist()
    assert len({row["key"] for row in found}) == len(found)
    return {row["key"]: row for row in found}


def contents(tar: bytes) -> dict[str, bytes]:
    """Gives the files of a tar by their names, of which there must be no two alike, in their order."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        files = {member.name: opened.extractfile(member) for member in opened}
        assert len(files) == len(opened.getmembers())
        return {name: file.read() for name, file in files.items() if file is not None}
