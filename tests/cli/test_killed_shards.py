"""A run over many shards that is killed again and again."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pyarrow import parquet

from adapter.policy import ExitCode
from tests.command import Command
from tests.fake_engine import completion
from tests.shards import rows, webdataset

SHARDS, IMAGES = 40, 200
KILLS = 10
MIN_ANSWERS, MAX_ANSWERS = 30, 700  # between two kills
LIMIT_S = 240


def safe_rows(folder: Path) -> dict[str, str]:
    """Gives the captions by key that outputs and their parts have."""
    found: dict[str, str] = {}
    for path in folder.rglob("[!.]*.parquet"):
        table = parquet.read_table(path, columns=["key", "caption"], partitioning=None)
        found |= zip(table["key"].to_pylist(), table["caption"].to_pylist(), strict=True)
    return found


@pytest.mark.parametrize("seed", [19])
async def test_what_was_safe_at_a_kill_is_never_made_again(command: Command, seed: int) -> None:
    """After ten kills at random moments each key is there once, with the caption that was safe first."""
    chance = random.Random(seed)
    for number in range(SHARDS):
        (command.folder / f"{number:05}.tar").write_bytes(webdataset(IMAGES, number * IMAGES))
    out = command.folder / "out"
    arguments = ("caption", "*.tar", "--output", "out", "--save-every", "0.3", "--json")
    answered, kill_at = 0, 0
    killing = asyncio.Event()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        command.engine.asked.clear()  # each holds an image
        if answered == kill_at:
            killing.set()
        return web.json_response(completion(f"a picture numbered {answered}"))

    command.answer_captions(answer)
    safe: dict[str, str] = {}
    lost = 0
    for _ in range(KILLS):
        before, kill_at = answered, answered + chance.randint(MIN_ANSWERS, MAX_ANSWERS)
        killing.clear()
        run = await command.start(*arguments)
        async with asyncio.timeout(LIMIT_S):
            await killing.wait()
        run.signal(signal.SIGKILL)
        await run.end()
        now = safe_rows(out)
        assert {key: now.get(key) for key in safe} == safe
        lost += answered - before - (len(now) - len(safe))
        safe = now
    kill_at, before = 0, answered
    ended = await (await command.start(*arguments)).end(LIMIT_S)
    assert (ended.code, ended.json["failed"]) == (ExitCode.DONE, 0), ended.errors
    assert (ended.json["done"], ended.json["skipped"]) == (SHARDS * IMAGES - len(safe), len(safe))
    assert answered == SHARDS * IMAGES + lost
    found = {key: row for number in range(SHARDS) for key, row in rows(out / f"{number:05}.parquet").items()}
    assert set(found) == {f"{number:09}" for number in range(SHARDS * IMAGES)}
    assert {key: found[key]["caption"] for key in safe} == safe
    assert len(list(out.rglob("*"))) == SHARDS
