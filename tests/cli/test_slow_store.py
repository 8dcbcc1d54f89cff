"""The dataset command over shards in stores that are slow, that fail, and that lose files."""

import asyncio
from typing import Any

from aiohttp import web

from adapter.dataset.shards.store import STREAM_BYTES
from adapter.policy import ExitCode
from tests.command import Command
from tests.fake_engine import completion
from tests.shards import rows, shade, tar_of, webdataset
from tests.stores import CREDENTIALS, FaultyStore, bucket_url

LARGE = bytes(2 * STREAM_BYTES)  # takes more than one piece


async def test_the_next_shard_is_open_before_the_last_one_is_read(command: Command) -> None:
    """The end of a shard comes only after the next one's beginning was asked for, and that one's only after
    the engine was asked for the last image of the first: whoever waits for either too early waits for ever.
    """
    command.environment |= CREDENTIALS
    next_asked, engine_asked = asyncio.Event(), asyncio.Event()

    async def before(name: str, first: int) -> None:
        if name == "b.tar":
            next_asked.set()
            await engine_asked.wait()
        elif first:
            await next_asked.wait()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) == 2:
            engine_asked.set()
        return web.json_response(completion(f"a picture numbered {len(command.asked())}"))

    command.answer_captions(answer)
    first = tar_of([("a.png", shade(1)), ("a.large", LARGE), ("b.png", shade(2))])
    store = FaultyStore({"a.tar": first, "b.tar": webdataset(3)}, before)
    async with store.serving() as port:
        shards = [bucket_url(port, name) for name in ("a.tar", "b.tar")]
        ended = await command.caption(*shards, "--output", "out", "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 5), ended.errors
    assert set(rows(command.folder / "out/a.parquet")) == {"a", "b"}


async def test_a_store_that_fails_now_and_then_costs_nothing(command: Command) -> None:
    """Each piece is answered by an error first."""
    command.environment |= CREDENTIALS
    failed: set[tuple[str, int]] = set()

    async def before(name: str, first: int) -> web.StreamResponse | None:
        if (name, first) in failed:
            return None
        failed.add((name, first))
        return web.Response(status=503)

    content = tar_of([("a.png", shade(1)), ("a.large", LARGE), ("b.png", shade(2))])
    store = FaultyStore({"a.tar": content}, before)
    async with store.serving() as port:
        ended = await command.caption(bucket_url(port, "a.tar"), "--output", "out", "--json")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.DONE, 2, 0), ended.errors
    assert len(store.asked) == 2 * len(failed)


async def test_a_shard_that_vanishes_after_it_was_planned_fails_alone(command: Command) -> None:
    """It is gone when its turn comes to be read on; what was read of it is kept."""
    command.environment |= CREDENTIALS

    async def before(name: str, first: int) -> web.StreamResponse | None:
        if name == "b.tar" or first:
            return web.Response(status=404)
        return None

    large = tar_of([("a.png", shade(1)), ("a.large", LARGE), ("b.png", shade(2))])
    files = {"a.tar": large, "b.tar": webdataset(2), "c.tar": webdataset(2, 2)}
    async with FaultyStore(files, before).serving() as port:
        shards = [bucket_url(port, f"{name}.tar") for name in "abc"]
        ended = await command.caption(*shards, "--output", "out", "--json")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 3, 2)
    assert ended.json["failures"]["store"]["count"] == 2
    assert set(rows(command.folder / "out/a.parquet")) == {"a"}
    assert not (command.folder / "out/b.parquet").exists()
    assert len(rows(command.folder / "out/c.parquet")) == 2
