"""Files here and in object stores."""

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import web

from adapter.dataset.shards.store import STREAM_BYTES, Place, place_of, split_pattern
from adapter.dataset.shards.tar_samples import TarSamples
from adapter.errors import InvalidRequestError, StoreError
from tests.shards import tar_of
from tests.stores import FaultyStore, bucket_url


@pytest.fixture(params=["here", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Gives a folder without files: here, or in a store that speaks S3."""
    if request.param == "here":
        return place_of(str(tmp_path / "folder"))
    return place_of(bucket_url(request.getfixturevalue("s3_port"), f"folder/{tmp_path.name}"))


def test_what_is_written_is_there_and_can_be_removed(folder: Place) -> None:
    """Names may hold what no URI may, and a folder that isn't there is empty."""
    assert folder.files() == []
    place = folder.below("a b%20#é.tar")
    assert place.fingerprint() is None
    place.write(b"one")
    place.write(b"another")
    found = place.fingerprint()
    assert found is not None
    assert found.bytes == 7
    with place.stream() as stream:
        assert stream.read() == b"another"
    with place.random_access() as file:
        file.seek(3)
        assert file.read() == b"ther"
    assert [one.shown for one in folder.files()] == [place.shown]
    assert [one.name for one in folder.matching("a*.tar")] == [place.name]
    folder.below("x", "y.tar").write(b"")
    assert [one.name for one in folder.matching("*/*.tar")] == ["y.tar"]
    place.remove()
    place.remove()
    assert folder.files() == []


def test_a_file_that_is_not_there_is_an_error(folder: Place) -> None:
    """It names the file, and nothing else that only the store knows."""
    with pytest.raises(StoreError, match=r"none\.tar can't be read: "), folder.below("none.tar").stream():
        pass


def test_names_hide_keys_and_options() -> None:
    """They stand in lines, reports and outputs."""
    place = place_of("s3://user:secret@bucket/a/b.tar?endpoint_override=127.0.0.1:1&scheme=http")
    assert place.shown == "s3://bucket/a/b.tar"
    assert place.path == "bucket/a/b.tar"


@pytest.mark.parametrize("uri", ["none://bucket/a.tar", "s3://bucket/a.tar?none=1", "gs:///"])
def test_a_store_that_there_is_not_is_wrong_usage(uri: str) -> None:
    """The line names it."""
    with pytest.raises(InvalidRequestError, match=uri.partition("?")[0]):
        place_of(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a/b.tar", ("a/b.tar", "")),
        ("a/*.tar", ("a", "*.tar")),
        ("*.tar", (".", "*.tar")),
        ("/*.tar", ("/", "*.tar")),
        ("/a/b*/[0-9].tar", ("/a", "b*/[0-9].tar")),
        ("s3://b/a/*.tar?x=1", ("s3://b/a?x=1", "*.tar")),
        ("s3://b/a.tar?x=*", ("s3://b/a.tar?x=*", "")),
    ],
)
def test_patterns_are_split_from_their_folders(uri: str, expected: tuple[str, str]) -> None:
    """A question mark begins the options of a URI."""
    assert split_pattern(uri) == expected


def test_a_file_here_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """What a killed run left is no link that leads elsewhere."""
    (tmp_path / "elsewhere").write_bytes(b"safe")
    (tmp_path / ".joycaption-a.parquet.tmp").symlink_to(tmp_path / "elsewhere")
    place_of(str(tmp_path / "a.parquet")).write(b"x")
    assert (tmp_path / "elsewhere").read_bytes() == b"safe"
    assert sorted(os.listdir(tmp_path)) == ["a.parquet", "elsewhere"]


@pytest.mark.usefixtures("s3_port")  # for its credentials
async def test_a_store_that_fails_in_the_middle_breaks_the_shard_off() -> None:
    """What came before is good, and the store was asked more than once."""
    content = tar_of([("a.png", b"x"), ("b.png", bytes(2 * STREAM_BYTES)), ("c.png", b"x")])
    found: list[str] = []

    async def fail_later(name: str, first: int) -> web.StreamResponse | None:
        return web.Response(status=500) if first else None

    def read(place: Place) -> None:
        with place.stream() as stream:
            found.extend(sample.key for sample in TarSamples(stream, "a.tar", 10 * STREAM_BYTES))

    store = FaultyStore({"a.tar": content}, fail_later)
    async with store.serving() as port:
        with pytest.raises(StoreError, match=r"a\.tar can't be read: "):
            await asyncio.to_thread(read, place_of(bucket_url(port, "a.tar")))
    assert found == ["a"]
    assert len(store.asked) > 2
