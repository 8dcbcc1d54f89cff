"""New tars with captions in them, from the dataset command over shards."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapter.dataset.shards.store import place_of
from adapter.policy import ExitCode
from tests.cli.conftest import RunHere
from tests.command import Command
from tests.fake_engine import completion
from tests.shards import contents, rows, shade, tar_of, webdataset
from tests.stores import CREDENTIALS, bucket_url

ARGUMENTS = ("--output", "out", "--write-shards", "new", "--json")


def texts(tar: Path) -> dict[str, str]:
    """Gives the texts of a tar by their keys."""
    files = contents(tar.read_bytes())
    return {name[:-4]: text.decode() for name, text in files.items() if name.endswith(".txt")}


async def test_each_shard_gets_a_tar_with_the_captions_of_its_output(command: Command) -> None:
    """The second run makes nothing, a changed output its tar anew, and a later command what is missing."""
    for number in range(3):
        (command.folder / f"{number}.tar").write_bytes(webdataset(3, 3 * number))
    before = {path.name: path.read_bytes() for path in command.folder.glob("*.tar")}
    ended = await command.caption("{0..2}.tar", *ARGUMENTS)
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 9), ended.errors
    for number in range(3):
        found = rows(command.folder / f"out/{number}.parquet")
        assert texts(command.folder / f"new/{number}.tar") == {
            key: row["caption"] for key, row in found.items()
        }
    assert {path.name: path.read_bytes() for path in command.folder.glob("*.tar")} == before
    assert "1.tar: 3 samples" in ended.errors
    stats = {path.name: path.stat().st_ino for path in (command.folder / "new").iterdir()}
    assert set(stats) == set(before)
    again = await command.caption("{0..2}.tar", *ARGUMENTS)
    assert (again.code, again.json["skipped"]) == (ExitCode.DONE, 9)
    assert "samples" not in again.errors
    (command.folder / "new/0.tar").unlink()
    changed = await command.caption(
        "{0..1}.tar", *ARGUMENTS, "--trigger", "sks", "--existing", "overwrite", "--shard", "2/2"
    )
    assert changed.json["done"] == 3
    command.engine.asked.clear()
    later = await command.caption("{0..2}.tar", *ARGUMENTS)
    assert (later.code, command.engine.asked) == (ExitCode.DONE, [])
    assert "0.tar: 3 samples" in later.errors
    assert all(text.startswith("sks") for text in texts(command.folder / "new/1.tar").values())
    now = {path.name: path.stat().st_ino for path in (command.folder / "new").iterdir()}
    assert {name for name in now if now[name] == stats[name]} == {"2.tar"}


async def test_an_image_that_failed_is_left_out_until_it_is_captioned(command: Command) -> None:
    """The line says so, and the tar is made anew when its output is."""
    (command.folder / "a.tar").write_bytes(
        tar_of([("a.png", shade(1)), ("b.png", b"none"), ("b.json", b"{}"), ("c.png", shade(2))])
    )
    failing = {"are": True}

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        number = len(command.asked())
        if failing["are"] and number == 2:
            return web.json_response({"error": {"message": "bad"}}, status=400)
        return web.json_response(completion(f"a picture numbered {number}"))

    command.answer_captions(answer)
    ended = await command.caption("a.tar", *ARGUMENTS, "--concurrency", "1")
    assert ended.code == ExitCode.SOME_FAILED
    assert "a.tar: 1 samples; 2 images without a caption were left out" in ended.errors
    assert list(contents((command.folder / "new/a.tar").read_bytes())) == ["a.png", "a.txt"]
    failing["are"] = False
    await command.caption("a.tar", *ARGUMENTS, "--retry-failed")
    assert list(texts(command.folder / "new/a.tar")) == ["a", "c"]


async def test_new_tars_may_be_in_a_store(command: Command, s3_port: int) -> None:
    """The shards too."""
    command.environment |= CREDENTIALS
    for number in range(2):
        place_of(bucket_url(s3_port, f"rewritten/data/{number}.tar")).write(webdataset(3, 3 * number))
    data, output, new = (
        bucket_url(s3_port, f"rewritten/{name}") for name in ("data/*.tar", "captions", "new")
    )
    ended = await command.caption(data, "--output", output, "--write-shards", new, "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 6), ended.errors
    assert [place.name for place in place_of(new).files()] == ["0.tar", "1.tar"]
    with place_of(new).below("1.tar").stream() as stream:
        files = contents(stream.read())
    assert len(files) == 9
    assert files["000000003.png"] == shade(3)
    same = await command.caption(
        data, "--output", output, "--write-shards", bucket_url(s3_port, "rewritten/./data/")
    )
    assert same.code == ExitCode.WRONG_USAGE
    assert "never rewritten" in same.errors


async def test_tars_of_others_are_never_replaced(command: Command) -> None:
    """Nor does one stand in the way of the next shard's."""
    (command.folder / "new").mkdir()
    for number in range(2):
        (command.folder / f"{number}.tar").write_bytes(webdataset(1, number))
    (command.folder / "new/0.tar").write_bytes(webdataset(5))
    ended = await command.caption("*.tar", *ARGUMENTS)
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 2, 1)
    assert "was not made from this shard" in str(ended.json["failures"])
    assert (command.folder / "new/0.tar").read_bytes() == webdataset(5)
    assert len(texts(command.folder / "new/1.tar")) == 1


async def test_a_kill_leaves_no_half_tar_and_the_next_run_makes_it(command: Command) -> None:
    """The output is there, and needs no engine."""
    (command.folder / "a.tar").write_bytes(webdataset(2))
    (command.folder / "b.tar").write_bytes(webdataset(20, 2))
    waiting = asyncio.Event()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) > 2:
            await waiting.wait()
        return web.json_response(completion(f"a picture numbered {len(command.asked())}"))

    command.answer_captions(answer)
    run = await command.start("caption", "a.tar", "b.tar", *ARGUMENTS, "--concurrency", "1")
    await run.until_told("new/a.tar: 2 samples")
    run.signal(signal.SIGKILL)
    await run.end()
    (command.folder / "new/a.tar").unlink()
    (command.folder / "new/.joycaption-a.tar.tmp").write_bytes(b"half a tar")
    waiting.set()
    ended = await command.caption("a.tar", "b.tar", *ARGUMENTS)
    assert (ended.code, ended.json["done"], ended.json["skipped"]) == (ExitCode.DONE, 20, 2), ended.errors
    assert sorted(os.listdir(command.folder / "new")) == ["a.tar", "b.tar"]
    assert (len(texts(command.folder / "new/a.tar")), len(texts(command.folder / "new/b.tar"))) == (2, 20)


@pytest.mark.parametrize("new", [".", "../work", "link", "shards", "up/..", "file"])
def test_the_shards_own_place_is_refused(run_here: RunHere, tmp_path: Path, new: str) -> None:
    """By whichever name it is called, before anything is begun."""
    (tmp_path / "a.tar").write_bytes(webdataset(1))
    (tmp_path / "up").mkdir()
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "shards").mkdir()
    os.link(tmp_path / "a.tar", tmp_path / "shards/a.tar")
    names = {"../work": str(tmp_path / "up/../."), "file": f"file://{tmp_path}"}
    ended = run_here("caption", "a.tar", "--output", "out", "--write-shards", names.get(new, new))
    assert ended.code == ExitCode.WRONG_USAGE
    assert "never rewritten" in ended.errors
    assert len(ended.errors.splitlines()) == 1


def test_folders_have_no_shards_to_write(run_here: RunHere, tmp_path: Path) -> None:
    """The option is refused rather than ignored."""
    ended = run_here("caption", str(tmp_path), "--write-shards", "new")
    assert (ended.code, "--write-shards is for shards" in ended.errors) == (ExitCode.WRONG_USAGE, True)
