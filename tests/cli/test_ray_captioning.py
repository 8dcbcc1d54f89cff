"""The dataset command on a Ray cluster: two machines that are this one, and a fake engine."""

import asyncio
import csv
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapter.dataset.cluster.ray_cluster import LOCAL
from adapter.dataset.shards.store import place_of
from adapter.policy import ExitCode
from tests.cli.conftest import RunHere
from tests.command import Command
from tests.fake_engine import completion
from tests.machines import START_S, Machines
from tests.shards import rows, shade, tar_of, webdataset, write_parquet
from tests.stores import CREDENTIALS, bucket_url
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("engines")
SHARDS, IMAGES = 6, 20
ALL = {f"{number:09}" for number in range(SHARDS * IMAGES)}


def put_shards(command: Command) -> None:
    """Writes shards with all of the keys."""
    for number in range(SHARDS):
        (command.folder / f"{number}.tar").write_bytes(webdataset(IMAGES, IMAGES * number))


def keys(command: Command) -> list[str]:
    """Gives the keys of all outputs that have a caption."""
    return [
        key
        for path in (command.folder / "out").glob("*.parquet")
        for key, row in rows(path).items()
        if row["caption"]
    ]


async def test_machines_divide_the_shards_and_tell_as_one_run(command: Command, machines: Machines) -> None:
    """Each key is there once, with one sum and one report; done shards are found without a worker."""
    machines.have(2)
    put_shards(command)
    (command.folder / "broken.tar").write_bytes(tar_of([("x.png", b"no image"), ("y.png", shade(1))]))
    arguments = ("*.tar", "--output", "out", "--json", "--ray", machines.address)
    ended = await command.caption(*arguments, "--report", "failures.csv", AWS_SECRET_ACCESS_KEY="hidden")
    assert ended.code == ExitCode.SOME_FAILED, ended.errors
    assert (ended.json["done"], ended.json["failed"]) == (len(ALL) + 1, 1)
    assert sorted(keys(command)) == sorted([*ALL, "y"])
    assert "2 workers on 2 machines" in ended.errors
    assert "hidden" not in ended.errors
    with (command.folder / "failures.csv").open() as file:
        assert [line["image"].rpartition(" ")[2] for line in csv.DictReader(file)] == ["x"]
    command.engine.asked.clear()
    again = await command.caption(*arguments)
    assert (again.code, again.json["done"], again.json["skipped"]) == (ExitCode.DONE, 0, len(ALL) + 2)
    assert "Worker 1" not in again.errors
    assert not command.engine.asked


async def test_a_killed_machine_costs_nothing_that_others_do_not_make_again(
    command: Command, machines: Machines
) -> None:
    """Every key is there once, and the counts are those of the outputs."""
    machines.have(2)
    put_shards(command)
    go_on = command.hold_after(60)
    run = await command.start(
        *("caption", "*.tar", "--output", "out", "--json", "--ray", machines.address),
        *("--save-every", "0.2", "--concurrency", "8"),
    )
    await until(lambda: len(command.asked()) >= 60 + 16, START_S)
    machines.kill_one()
    go_on.set()
    ended = await run.end(START_S)
    assert ended.code == ExitCode.DONE, ended.errors
    assert "was lost" in ended.errors
    assert sorted(keys(command)) == sorted(ALL)
    # What the lost worker made and never told of was found, and counts as skipped.
    assert (ended.json["done"] + ended.json["skipped"], ended.json["failed"]) == (len(ALL), 0)
    assert ended.json["done"] >= 60
    assert not list((command.folder / "out").rglob("_parts/*"))


async def test_a_killed_worker_is_replaced(command: Command, machines: Machines) -> None:
    """Its process may be killed for the memory that it takes."""
    machines.have(2)
    put_shards(command)
    go_on = command.hold_after(30)
    run = await command.start(
        *("caption", "*.tar", "--output", "out", "--json", "--ray", machines.address),
        *("--ray-actors", "1", "--concurrency", "4"),
    )
    await until(lambda: len(command.asked()) >= 34, START_S)
    (worker,) = machines.workers()
    os.kill(worker, signal.SIGKILL)
    go_on.set()
    ended = await run.end(START_S)
    assert ended.code == ExitCode.DONE, ended.errors
    assert "Worker 1 was lost" in ended.errors
    assert sorted(keys(command)) == sorted(ALL)
    assert ended.json["done"] + ended.json["skipped"] == len(ALL)


async def test_an_interrupted_run_keeps_what_was_made_and_goes_on_anywhere(
    command: Command, machines: Machines
) -> None:
    """What is under way gets its chance, and one machine alone can go on with the rest."""
    machines.have(2)
    put_shards(command)
    go_on = command.hold_after(50)
    arguments = ("caption", "*.tar", "--output", "out", "--json", "--concurrency", "4")
    run = await command.start(*arguments, "--ray", machines.address)
    await until(lambda: len(command.asked()) >= 58, START_S)
    run.signal(signal.SIGINT)
    await run.until_told("Stopping")
    go_on.set()
    ended = await run.end(START_S)
    assert ended.code == ExitCode.INTERRUPTED, ended.errors
    made = ended.json["done"]
    assert 50 <= made < len(ALL)
    rest = await command.run(*arguments)
    assert (rest.code, rest.json["done"], rest.json["skipped"]) == (ExitCode.DONE, len(ALL) - made, made)
    assert sorted(keys(command)) == sorted(ALL)
    await until(lambda: not machines.workers(), START_S)


async def test_a_second_interruption_gives_up_what_is_under_way(command: Command, machines: Machines) -> None:
    """What was made until then is safe."""
    machines.have(2)
    put_shards(command)
    command.hold_after(20)
    arguments = ("caption", "*.tar", "--output", "out", "--json", "--concurrency", "4")
    run = await command.start(*arguments, "--ray", machines.address, "--save-every", "0.1")
    await until(lambda: len(command.asked()) >= 28, START_S)
    run.signal(signal.SIGINT)
    await run.until_told("Stopping")
    run.signal(signal.SIGINT)
    ended = await run.end(START_S)
    assert (ended.code, ended.json["done"]) == (ExitCode.INTERRUPTED, 20), ended.errors
    parts = (command.folder / "out/_parts").rglob("*.parquet")
    assert sum(len(rows(path)) for path in [*parts, *(command.folder / "out").glob("*.parquet")]) == 20
    await until(lambda: not machines.workers(), START_S)


async def test_a_killed_run_leaves_no_worker_behind(command: Command, machines: Machines) -> None:
    """And the same command goes on with what was safe."""
    machines.have(2)
    put_shards(command)
    go_on = command.hold_after(20)
    arguments = ("caption", "*.tar", "--output", "out", "--json", "--ray", machines.address)
    run = await command.start(*arguments, "--save-every", "0.1", "--concurrency", "4")
    await until(lambda: len(command.asked()) >= 28, START_S)
    run.signal(signal.SIGKILL)
    await run.end()
    await until(lambda: not machines.workers(), START_S)
    go_on.set()
    ended = await command.run(*arguments)
    assert (ended.code, ended.json["done"] + ended.json["skipped"]) == (ExitCode.DONE, len(ALL))
    assert sorted(keys(command)) == sorted(ALL)


async def test_shards_in_a_store_are_read_by_keys_that_the_machines_have(
    command: Command, machines: Machines, s3_port: int
) -> None:
    """The command needs them as well: it lists the shards."""
    machines.have(2)
    command.environment |= CREDENTIALS
    for number in range(3):
        place_of(bucket_url(s3_port, f"many/{number}.tar")).write(webdataset(5, 5 * number))
    output = bucket_url(s3_port, "made")
    ended = await command.caption(
        bucket_url(s3_port, "many/*.tar"), "--output", output, "--json", "--ray", machines.address
    )
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 15), ended.errors
    assert [place.name for place in place_of(output).files()] == ["0.parquet", "1.parquet", "2.parquet"]


async def test_a_worker_reads_its_next_shard_before_the_last_one_ends(
    command: Command, machines: Machines
) -> None:
    """The engine never waits between two."""
    for number in range(3):
        (command.folder / f"{number}.tar").write_bytes(webdataset(2, 2 * number))
    all_there = asyncio.Event()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) == 6:
            all_there.set()
        await all_there.wait()
        return web.json_response(completion(f"a picture numbered {len(command.asked())}"))

    command.answer_captions(answer)
    ended = await command.caption(
        "*.tar", "--output", "out", "--json", "--ray", machines.address, "--ray-actors", "1"
    )
    assert ended.json["done"] == 6, ended.errors


async def test_a_run_brings_its_own_cluster_and_ends_it(command: Command) -> None:
    """It needs nothing but this machine."""
    (command.folder / "a.tar").write_bytes(webdataset(3))
    command.environment.pop("RAY_AUTH_MODE", None)
    home = command.folder.parent / "home"
    run = await command.start(
        *("caption", "a.tar", "--output", "out", "--json", "--ray", LOCAL), HOME=str(home)
    )
    ended = await run.end(START_S)
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 3), ended.errors
    await until(partial(no_process_has, str(command.folder)), START_S)
    assert not (home / ".ray").exists()


def no_process_has(folder: str) -> bool:
    """Tells whether no process was started for that folder, which stands in the environment of each."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if folder.encode() in path.read_bytes():
                return False
        except OSError:
            continue
    return True


async def test_engines_that_are_gone_end_the_run(command: Command, machines: Machines) -> None:
    """Each worker's patience ends, and the run says so as on one machine."""
    machines.have(2)
    put_shards(command)
    await command.server.close()
    ended = await command.caption(
        *("*.tar", "--output", "out", "--json", "--ray", machines.address, "--engine-patience", "1")
    )
    assert ended.code == ExitCode.ENGINE_GONE, ended.errors
    assert ended.json["done"] == 0


async def test_columns_that_are_not_there_are_wrong_usage(command: Command, machines: Machines) -> None:
    """A worker's word about what was asked ends the whole run."""
    write_parquet(command.folder / "a.parquet", {"pixels": [shade(1)]})
    ended = await command.caption("a.parquet", "--output", "out", "--ray", machines.address)
    assert ended.code == ExitCode.WRONG_USAGE
    assert "--image-column" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.tar", "--output", "out", "--ray", "127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1"),
        (["a.tar", "--output", "out", "--ray", "local", "--limit", "3"], "--limit is not for shards on a"),
        (
            ["a.tar", "--output", "out", "--ray", "local", "--engines", "2"],
            "--engines 2 is not for shards",
        ),
        (["a.tar", "--output", "out", "--ray", "ray://host:1"], "none of HOST:PORT, auto and local"),
        (["a.tar", "--output", "out", "--ray-actors", "2"], "--ray-actors needs --ray"),
        (["folder", "--ray-actors", "2"], "--ray-actors needs --ray"),
    ],
)
def test_wrong_usage_is_told_in_a_line(run_here: RunHere, arguments: list[str], told: str) -> None:
    """Before anything is begun."""
    Path("folder").mkdir()
    ended = run_here("caption", *arguments)
    assert ended.code == ExitCode.WRONG_USAGE
    assert told in ended.errors
    assert len(ended.errors.splitlines()) == 1, ended.errors
