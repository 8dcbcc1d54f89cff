"""The dataset command over shards, against a fake engine."""

import asyncio
import csv
import signal
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pyarrow import parquet
from pyarrow.fs import FileSelector

from adapter.dataset.shards.store import place_of
from adapter.policy import ExitCode
from tests.cli.conftest import RunHere
from tests.command import Command
from tests.fake_engine import completion
from tests.shards import rows, shade, tar_of, webdataset, write_parquet
from tests.stores import CREDENTIALS, bucket_url
from tests.waiting import until


def put(command: Command, name: str, content: bytes) -> None:
    """Writes a file into the folder."""
    (command.folder / name).write_bytes(content)


def out(command: Command, name: str) -> dict[str, dict[str, Any]]:
    """Gives the rows of an output."""
    return rows(command.folder / "out" / f"{name}.parquet")


async def test_each_tar_gets_a_parquet_file_joined_by_key(command: Command) -> None:
    """With what was asked, by which model, and no part left over; a second run needs no engine."""
    put(command, "00000.tar", webdataset(5))
    put(command, "00001.tar", webdataset(5, 5))
    before = (command.folder / "00000.tar").read_bytes()
    ended = await command.caption("{00000..00001}.tar", "--output", "out", "--json", "--seed", "1")
    assert ended.code == ExitCode.DONE, ended.errors
    assert (ended.json["done"], ended.json["failed"]) == (10, 0)
    first, second = out(command, "00000"), out(command, "00001")
    assert set(first) | set(second) == {f"{number:09}" for number in range(10)}
    captions = {row["caption"] for row in (*first.values(), *second.values())}
    assert len(captions) == 10
    row = first["000000003"]
    assert (row["finish_reason"], row["attempts"], row["flaws"]) == ("stop", 1, [])
    assert (row["prompt_tokens"], row["completion_tokens"], row["error"]) == (100, 5, None)
    metadata = parquet.read_schema(command.folder / "out/00000.parquet").metadata
    about = orjson.loads(metadata[b"joycaption"])
    assert (about["models"], about["rows"], about["incomplete"]) == (["fake"], 5, "")
    assert about["settings"][""]["seed"] == 1
    assert (command.folder / "00000.tar").read_bytes() == before
    files = {path.name for path in (command.folder / "out").rglob("*") if path.is_file()}
    assert files == {"00000.parquet", "00001.parquet"}
    command.engine.asked.clear()
    again = await command.caption("*.tar", "--output", "out", "--json", "--seed", "1")
    assert (again.code, again.json["skipped"], again.json["done"]) == (ExitCode.DONE, 10, 0)
    assert not command.engine.asked


async def test_a_killed_run_goes_on_with_what_its_parts_have(command: Command) -> None:
    """Every key is there once at the end, and what was safe isn't asked for again."""
    put(command, "a.tar", webdataset(30))
    arguments = ("a.tar", "--output", "out", "--save-every", "0.1", "--concurrency", "1")
    folder = command.folder / "out"

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) > 10:
            await asyncio.Event().wait()
        return web.json_response(completion(f"a picture numbered {len(command.asked())}"))

    for safe in (10, 20):
        command.engine.asked.clear()
        command.answer_captions(answer)
        run = await command.start("caption", *arguments)
        await until(partial(lambda wanted: parts_rows(folder) == wanted, safe))
        run.signal(signal.SIGKILL)
        await run.end()
    assert not (folder / "a.parquet").exists()
    command.engine.answer = None
    command.engine.asked.clear()
    ended = await command.caption(*arguments, "--json")
    assert ended.code == ExitCode.DONE, ended.errors
    assert set(out(command, "a")) == {f"{number:09}" for number in range(30)}
    assert (ended.json["skipped"], len(command.asked())) == (20, 10)
    assert not list(folder.rglob("_parts/*"))


def parts_rows(folder: Path) -> int:
    """Gives the number of rows that the parts have together."""
    parts = (folder / "_parts").rglob("[0-9]*.parquet")
    return sum(parquet.read_metadata(part).num_rows for part in parts)


async def test_failures_are_rows_and_are_made_again_on_request(command: Command) -> None:
    """A broken image costs its own caption; the rest of the output stays as it was."""
    put(command, "a.tar", tar_of([("a.png", shade(1)), ("b.png", b"no image"), ("c.png", shade(2))]))
    answers = {"failing": True}

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        number = len(command.asked())
        if answers["failing"] and number == 2:
            return web.json_response({"error": {"message": "bad"}}, status=400)
        return web.json_response(completion(f"a picture numbered {number}"))

    command.answer_captions(answer)
    arguments = ("a.tar", "--output", "out", "--concurrency", "1", "--json")
    ended = await command.caption(*arguments, "--report", "failures.csv")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 1, 2)
    found = out(command, "a")
    assert found["a"]["caption"] == "a picture numbered 1"
    assert found["b"]["error"].startswith("not_an_image: ")
    assert found["c"]["error"].startswith("engine_refused: ")
    assert found["c"]["caption"] is None
    with (command.folder / "failures.csv").open() as file:
        assert {line["image"].rpartition(" ")[2] for line in csv.DictReader(file)} == {"b", "c"}
    answers["failing"] = False
    plain = await command.caption(*arguments)
    assert (plain.code, plain.json["done"], plain.json["skipped"]) == (ExitCode.DONE, 0, 3)
    assert "1 rows failed" not in plain.errors
    assert "2 rows failed before" in plain.errors
    again = await command.caption(*arguments, "--retry-failed")
    assert (again.code, again.json["done"], again.json["failed"]) == (ExitCode.SOME_FAILED, 1, 1)
    redone = out(command, "a")
    assert redone["a"] == found["a"]
    assert redone["c"]["caption"]
    assert redone["c"]["error"] is None
    assert redone["b"] == found["b"]


async def test_a_tar_that_breaks_off_is_captioned_up_to_there(command: Command) -> None:
    """Its output says that it is incomplete, the exit code that something failed; once whole it goes on."""
    whole = webdataset(6)
    put(command, "a.tar", whole[: len(whole) // 2])
    ended = await command.caption("a.tar", "--output", "out", "--json")
    assert (ended.code, list(ended.json["failures"])) == (ExitCode.SOME_FAILED, ["store"])
    some = out(command, "a")
    assert 0 < len(some) < 6
    command.engine.asked.clear()
    put(command, "a.tar", whole)
    again = await command.caption("a.tar", "--output", "out", "--json")
    assert (again.code, again.json["done"], again.json["skipped"]) == (
        ExitCode.DONE,
        6 - len(some),
        len(some),
    )
    assert {key: row for key, row in out(command, "a").items() if key in some} == some
    assert len(out(command, "a")) == 6


async def test_several_styles_are_columns(command: Command) -> None:
    """Each has all that is known of its caption."""
    put(command, "a.tar", webdataset(2))
    ended = await command.caption("a.tar", "--output", "out", "--styles", "descriptive,booru", "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 4), ended.errors
    row = out(command, "a")["000000001"]
    assert row["caption_descriptive"].startswith("a picture")
    assert row["caption_booru"].startswith("picture, ")
    assert row["attempts_booru"] == 1


async def test_parquet_files_are_shards_too(command: Command) -> None:
    """Hugging Face's struct without keys, or columns that are named."""
    pictures = [shade(number) for number in range(4)]
    structs = [{"bytes": picture, "path": "x.png"} for picture in pictures[:2]]
    write_parquet(command.folder / "hf.parquet", {"image": [*structs, None], "label": [1, 2, 3]})
    ended = await command.caption("hf.parquet", "--output", "out", "--json")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 2, 1)
    assert set(out(command, "hf")) == {"0", "1", "2"}
    write_parquet(command.folder / "own.parquet", {"pixels": pictures, "id": ["a", "b", "../c", "a"]})
    named = ("--image-column", "pixels", "--key-column", "id")
    ended = await command.caption("own.parquet", "--output", "out", "--json", *named)
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 2, 2)
    found = out(command, "own")
    assert set(found) == {"a", "b", "../c"}
    assert found["../c"]["error"] == "image: The key leads out of the dataset"
    ended = await command.caption("own.parquet", "--output", "other")
    assert ended.code == ExitCode.WRONG_USAGE
    assert "--image-column" in ended.errors


async def test_other_settings_leave_an_output_unless_it_may_be_overwritten(command: Command) -> None:
    """As texts of a folder are left; the line says why."""
    put(command, "a.tar", webdataset(2))
    await command.caption("a.tar", "--output", "out")
    first = out(command, "a")
    left = await command.caption("a.tar", "--output", "out", "--trigger", "sks", "--json")
    assert (left.code, left.json["done"], left.json["skipped"]) == (ExitCode.DONE, 0, 2)
    assert "made with other settings" in left.errors
    assert out(command, "a") == first
    ended = await command.caption(
        "a.tar", "--output", "out", "--trigger", "sks", "--existing", "overwrite", "--json"
    )
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 2)
    assert all(row["caption"].startswith("sks") for row in out(command, "a").values())
    command.engine.asked.clear()
    again = await command.caption(
        "a.tar", "--output", "out", "--trigger", "sks", "--existing", "overwrite", "--json"
    )
    assert (again.json["done"], command.asked()) == (0, [])


async def test_what_is_not_ours_is_never_replaced(command: Command) -> None:
    """img2dataset has a Parquet file of the same name beside each tar."""
    put(command, "a.tar", webdataset(2))
    write_parquet(command.folder / "a.parquet", {"key": ["000000000"], "url": ["x"]})
    before = (command.folder / "a.parquet").read_bytes()
    ended = await command.caption("a.tar", "--output", ".", "--existing", "overwrite", "--json")
    assert ended.code == ExitCode.SOME_FAILED
    assert "was not written by this command" in str(ended.json["failures"])
    assert (command.folder / "a.parquet").read_bytes() == before


async def test_a_limit_leaves_a_shard_to_be_gone_on_with(command: Command) -> None:
    """What was made by then is in a part."""
    put(command, "a.tar", webdataset(6))
    ended = await command.caption("a.tar", "--output", "out", "--limit", "2", "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 2)
    assert parts_rows(command.folder / "out") == 2
    dry = await command.caption("a.tar", "--output", "out", "--dry-run")
    assert dry.output == "1 shards: 1 to caption, 0 done, 0 left, 0 failed\n"
    other = await command.caption("a.tar", "--output", "out", "--trigger", "x", "--json")
    assert (other.code, other.json["done"]) == (ExitCode.SOME_FAILED, 0)
    assert "begun with other settings" in str(other.json["failures"])
    rest = await command.caption("a.tar", "--output", "out", "--json")
    assert (rest.json["done"], rest.json["skipped"]) == (4, 2)
    assert len(out(command, "a")) == 6


async def test_the_next_shard_is_read_before_the_last_one_ends(command: Command) -> None:
    """The engine never waits between two."""
    put(command, "a.tar", webdataset(2))
    put(command, "b.tar", webdataset(2, 2))
    all_there = asyncio.Event()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) == 4:
            all_there.set()
        await all_there.wait()
        return web.json_response(completion(f"a picture numbered {len(command.asked())}"))

    command.answer_captions(answer)
    ended = await command.caption("a.tar", "b.tar", "--output", "out", "--json")
    assert ended.json["done"] == 4, ended.output


async def test_shards_and_outputs_may_be_in_a_store(command: Command, s3_port: int) -> None:
    """A run that ends early leaves a part there, and the next one goes on; a missing shard fails alone."""
    command.environment |= CREDENTIALS
    data, output = bucket_url(s3_port, "data/*.tar"), bucket_url(s3_port, "captions")
    for number in range(2):
        place_of(bucket_url(s3_port, f"data/{number}.tar")).write(webdataset(5, 5 * number))
    arguments = ("--output", output, "--json")
    some = await command.caption(data, *arguments, "--limit", "3")
    assert (some.code, some.json["done"]) == (ExitCode.DONE, 3), some.errors
    assert [place.name for place in place_of(output).files()] == []
    assert len(place_of(output).matching("_parts/*/*.parquet")) == 1
    missing = bucket_url(s3_port, "data/2.tar")
    ended = await command.caption(data, missing, *arguments)
    assert (ended.json["done"], ended.json["skipped"], ended.json["failed"]) == (7, 3, 1)
    assert ended.code == ExitCode.SOME_FAILED
    assert "s3://bucket/data/2.tar is not there" in str(ended.json["failures"])
    assert [place.shown for place in place_of(output).files()] == [
        "s3://bucket/captions/0.parquet",
        "s3://bucket/captions/1.parquet",
    ]
    assert not place_of(output).matching("_parts/*/*")
    parts = place_of(output).below("_parts")
    left = parts.filesystem.get_file_info(FileSelector(parts.path, allow_not_found=True))
    assert not left, "nor an empty object in the place of each folder"
    keys = set()
    for place in place_of(output).files():
        with place.random_access() as file:
            keys |= set(parquet.read_table(file)["key"].to_pylist())
    assert keys == {f"{number:09}" for number in range(10)}


async def test_a_store_that_answers_500_costs_its_own_shard(command: Command) -> None:
    """The others are captioned, and the line says what failed."""
    command.environment |= CREDENTIALS
    app = web.Application()

    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500)

    app.router.add_route("*", "/{path:.*}", fail)
    server = TestServer(app)
    await server.start_server()
    assert server.port is not None
    put(command, "b.tar", webdataset(2))
    ended = await command.caption(bucket_url(server.port, "a.tar"), "b.tar", "--output", "out", "--json")
    await server.close()
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 2, 1)
    assert "s3://bucket/a.tar can't be read" in str(ended.json["failures"])


async def test_hostile_members_are_errors_and_nothing_is_written_elsewhere(command: Command) -> None:
    """Links, devices, and keys that lead out; folders in keys are no harm."""
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("hard.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "d/ok.png"
    device = tarfile.TarInfo("null.png")
    device.type = tarfile.CHRTYPE
    pictures = {
        f"{name}.png": shade(number) for number, name in enumerate(("../up", "/abs", "d/ok", "d/../x"))
    }
    put(
        command, "a.tar", tar_of([*pictures.items(), link, hard, device, ("._d.png", b""), ("d/ok.jpg", b"")])
    )
    ended = await command.caption("a.tar", "--output", "out", "--json")
    assert ended.code == ExitCode.SOME_FAILED
    found = out(command, "a")
    assert {key for key, row in found.items() if row["caption"]} == {"d/ok"}
    assert set(found) == {"../up", "/abs", "d/ok", "d/../x", "link", "hard", "null"}
    assert (ended.json["done"], ended.json["failed"]) == (1, 7)
    assert sorted(path.name for path in command.folder.iterdir()) == ["a.tar", "out"]
    assert sorted(path.name for path in command.folder.parent.glob("up*")) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.tar"], "--output"),
        (["a.tar", "folder", "--output", "out"], "together"),
        (["a.tar", "--output", "out", "--extension", ".caption"], "--extension is not for shards"),
        (["a.tar", "--output", "out", "--existing", "append"], "--existing append"),
        (["none*.tar", "--output", "out"], "no file none*.tar"),
        (["{5..1}.tar", "--output", "out"], "must count upwards"),
        (["a.tar", "--output", "out", "--shard", "1/2"], "1 of them make no 2 shares"),
        (["xyz://y/a.tar", "--output", "out"], "xyz://y/a.tar"),
        (["a.tar", "b/a.tar", "--output", "out"], "one output"),
    ],
)
def test_wrong_usage_is_told_in_a_line(run_here: RunHere, arguments: list[str], told: str) -> None:
    """Before any engine is looked for."""
    Path("folder").mkdir()
    ended = run_here("caption", *arguments)
    assert ended.code == ExitCode.WRONG_USAGE
    assert told in ended.errors
    assert len(ended.errors.splitlines()) == 1


def test_without_pyarrow_a_line_says_what_to_install(
    run_here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    monkeypatch.setattr("adapter.cli.caption.find_spec", lambda name: None)
    ended = run_here("caption", "a.tar", "--output", "out")
    assert (ended.code, ended.errors.count("\n")) == (ExitCode.WRONG_USAGE, 1)
    assert "pip install pyarrow" in ended.errors
    assert pyarrow.__version__
