"""Datasets that somebody else made, with what they planted in them."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.policy import ExitCode
from adapter.stable_hash import stable_hash
from tests.command import Command
from tests.waiting import until

SUPER_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Writes a file of the user's outside of the dataset, and gives its path."""
    path = tmp_path / "secret.txt"
    path.write_text("precious")
    return path


def make_ledger(command: Command, *entries: Entry, failures: tuple[Failure, ...] = ()) -> Path:
    """Writes a ledger into the dataset, and gives its path."""
    path = ledger_path(str(command.folder))
    with contextlib.closing(Ledger.open(path)) as ledger:
        ledger.record(entries, failures)
    return path


async def test_links_in_the_place_of_our_files_lead_nowhere(command: Command, secret: Path) -> None:
    """Names of temporary files can be guessed, and links with them shipped."""
    command.picture("a.png")
    for name in (f".joycaption-{stable_hash('a.txt'):016x}.tmp", ".joycaption-metadata.jsonl.tmp"):
        (command.folder / name).symlink_to(secret)
    ended = await command.caption("--output", "metadata.jsonl")
    assert ended.code == ExitCode.DONE, ended.errors
    assert secret.read_text() == "precious"
    assert command.text("a.txt").startswith("a picture")


@pytest.mark.parametrize(
    "name", ["ledger.sqlite", "ledger.sqlite.lock", "ledger.sqlite-journal", "ledger.sqlite-wal"]
)
async def test_a_ledger_with_links_is_refused(command: Command, secret: Path, name: str) -> None:
    """SQLite would write through them."""
    command.picture("a.png")
    (command.folder / ".joycaption").mkdir()
    (command.folder / ".joycaption" / name).symlink_to(secret)
    for arguments in (("caption", "."), ("status", ".")):
        ended = await command.run(*arguments)
        assert ended.code != ExitCode.DONE
        assert "Traceback" not in ended.errors
    assert secret.read_text() == "precious"
    assert not command.texts()


async def test_a_folder_for_the_ledger_that_is_a_link_is_refused(command: Command, tmp_path: Path) -> None:
    """It would be written somewhere else."""
    command.picture("a.png")
    (tmp_path / "elsewhere").mkdir()
    (command.folder / ".joycaption").symlink_to(tmp_path / "elsewhere")
    ended = await command.caption()
    assert "is a link" in ended.errors
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("arguments", [("caption", "."), ("caption", ".", "--dry-run"), ("status", ".")])
async def test_a_journal_that_names_another_deletes_nothing(
    command: Command, secret: Path, arguments: tuple[str, ...]
) -> None:
    """SQLite would take that for a transaction over several files, and delete the named one."""
    command.picture("a.png")
    path = make_ledger(command)
    name = os.fsencode(secret)
    checksum = sum(byte if byte < 128 else byte - 256 for byte in name) % 2**32
    page = (10**9).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + checksum.to_bytes(4, "big")
    Path(f"{path}-journal").write_bytes(bytes(512) + page + SUPER_JOURNAL_MAGIC)
    ended = await command.run(*arguments)
    assert ended.code != ExitCode.DONE
    assert "its journal names another one" in ended.errors
    assert secret.read_text() == "precious"


def killed_while_writing(path: Path) -> None:
    """Leaves a ledger with a journal, as a run does that is killed while it writes."""
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size = 1')\n"
        "c.executemany('INSERT INTO exports VALUES (?, ?)', [(str(n), 'x' * 500) for n in range(500)])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    assert Path(f"{path}-journal").stat().st_size > 512


async def test_commands_that_only_read_leave_a_killed_runs_ledger_as_it_is(command: Command) -> None:
    """They read a copy in which what is half done is taken back."""
    path = make_ledger(command, Entry("a.txt", "a.png", "", WRITTEN))
    killed_while_writing(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    ended = await command.run("status", ".")
    assert (ended.code, ended.output.splitlines()[0]) == (
        ExitCode.DONE,
        "1 captioned, 0 had a text already, 0 failed",
    )
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON captions BEGIN DELETE FROM captions; END",
        "CREATE VIEW v AS SELECT * FROM captions",
    ],
)
async def test_a_ledger_with_triggers_or_views_is_refused(command: Command, planted: str) -> None:
    """They would run at each of our changes."""
    command.picture("a.png")
    path = make_ledger(command)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(planted)
    ended = await command.caption()
    assert (ended.code, "which no ledger of ours does" in ended.errors) == (ExitCode.WRONG_USAGE, True)


async def test_a_ledger_that_names_files_elsewhere_is_not_believed(
    command: Command, secret: Path, tmp_path: Path
) -> None:
    """Neither are they read into the output, nor tried again and written beside."""
    command.picture("a.png")
    (tmp_path / "other.png").write_bytes((command.folder / "a.png").read_bytes())
    (tmp_path / "secret.png").write_bytes((command.folder / "a.png").read_bytes())
    names = [
        ("../secret.png", "../secret.txt"),
        (f"{tmp_path}/secret.png", str(secret)),
        ("a.png", "../secret.txt"),
    ]
    make_ledger(
        command,
        *(Entry(text, image, "", WRITTEN) for image, text in names),
        failures=(Failure("../other.png", "../other.txt", "x", "y", 0.0),),
    )
    assert (await command.caption("--retry-failed")).code == ExitCode.DONE
    assert not (tmp_path / "other.txt").exists()
    assert (await command.caption("--output", "metadata.jsonl")).code == ExitCode.DONE
    assert "precious" not in command.text("metadata.jsonl")


async def test_links_in_a_dataset_are_neither_read_nor_written_through(
    command: Command, secret: Path, tmp_path: Path
) -> None:
    """A link to an image is one: that is how Hugging Face's snapshots look."""
    (tmp_path / "blobs").mkdir()
    command.picture("a.png").rename(tmp_path / "blobs/1")
    (command.folder / "a.png").symlink_to("../blobs/1")
    command.picture("b.png", 1)
    (command.folder / "b.txt").symlink_to(secret)
    (tmp_path / "away").mkdir()
    command.picture("c.png", 2).rename(tmp_path / "away/c.png")
    (command.folder / "away").symlink_to(tmp_path / "away")
    ended = await command.caption("--existing", "append", "--output", "metadata.jsonl", "--json")
    assert (ended.json["done"], list(ended.json["failures"])) == (1, ["write"])
    assert secret.read_text() == "precious"
    assert "precious" not in command.text("metadata.jsonl")
    assert not (tmp_path / "away/c.txt").exists()
    assert (await command.caption("--follow-links", "--json")).json["done"] == 1
    assert (tmp_path / "away/c.txt").exists()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**32)


@pytest.mark.parametrize("plant", [make_pipe, make_device, make_huge], ids=["pipe", "device", "huge"])
@pytest.mark.parametrize("existing", ["skip", "overwrite"])
async def test_what_is_no_text_holds_nothing_up(
    command: Command, plant: Callable[[Path], None], existing: str
) -> None:
    """A pipe would make a run wait for ever, and a device fill the memory."""
    command.picture("a.png")
    command.picture("b.png", 1)
    plant(command.folder / "a.txt")
    async with asyncio.timeout(50):
        ended = await command.caption("--existing", existing, "--json")
    assert ended.json["done"] == 1
    assert command.text("b.txt").startswith("a picture")


async def test_hand_edits_survive_a_run_over_a_part_or_with_another_ledger(
    command: Command, tmp_path: Path
) -> None:
    """The ledger that knows of them is found above the folder, or beside the image."""
    command.picture("sub/a.png")
    assert (await command.caption("--seed", "1")).code == ExitCode.DONE
    (command.folder / "sub/a.txt").write_text("my own words")
    elsewhere = tmp_path / "else.sqlite"
    for arguments in (["sub"], ["sub/a.png"], [".", "--ledger", elsewhere]):
        ended = await command.caption(*arguments, "--existing", "overwrite", "--seed", "2", "--json")
        assert (ended.json["edited"], command.text("sub/a.txt")) == (1, "my own words"), arguments
    assert not (command.folder / "sub/.joycaption").exists()

    await command.caption("--existing", "append", "--seed", "3")
    assert command.text("sub/a.txt").startswith("my own words, ")
    ended = await command.caption("--existing", "overwrite", "--seed", "4", "--json")
    assert ended.json["edited"] == 1


async def test_links_to_images_outside_of_the_allowed_folders_are_refused(
    command: Command, tmp_path: Path
) -> None:
    """A run may be told what it may read, as the service is."""
    command.picture("a.png")
    (tmp_path / "away").mkdir()
    command.picture("b.png", 1).rename(tmp_path / "away/b.png")
    (command.folder / "b.png").symlink_to(tmp_path / "away/b.png")
    ended = await command.caption("--json", CAPTION_ALLOWED_ROOTS=str(command.folder))
    assert (ended.json["done"], list(ended.json["failures"])) == (1, ["file_not_allowed"])


async def test_two_runs_over_a_dataset_and_a_part_of_it_never_meet(command: Command) -> None:
    """The second one is told that the first one works on it, and no text is mixed."""
    for number in range(20):
        command.picture(f"sub/{number}.png", number)
    go_on = asyncio.Event()
    command.answer_after(go_on)
    first = await command.start("caption", ".")
    await until(lambda: bool(command.asked()))
    second = await command.caption("sub")
    assert second.code == ExitCode.WRONG_USAGE
    assert "Another run works on this dataset" in second.errors
    go_on.set()
    assert (await first.end()).code == ExitCode.DONE
    assert len(command.texts()) == 20


async def test_names_that_a_terminal_would_obey_are_shown_escaped(command: Command) -> None:
    """Control characters in a name must not reach it, nor `=cmd` a spreadsheet."""
    (command.folder / "=1+1\x1b]0;gone\x07.png").write_bytes(b"no image")
    ended = await command.caption("--report", "failures.csv")
    assert ended.code == ExitCode.SOME_FAILED
    assert "\x1b" not in ended.errors
    assert "=1+1\\u001b]0;gone\\u0007.png" in ended.errors
    assert "'=1+1\\u001b]0;gone\\u0007.png" in command.text("failures.csv")


async def test_a_corrupt_ledger_of_another_share_is_told_in_one_line(command: Command) -> None:
    """There is no traceback."""
    command.picture("a.png")
    make_ledger(command)
    (command.folder / ".joycaption/ledger-2-of-2.sqlite").write_text("no database" * 100)
    ended = await command.caption("--shard", "1/2")
    assert ended.code == ExitCode.WRONG_USAGE
    assert ended.errors.startswith("error: The ledger ")
    assert len(ended.errors.splitlines()) == 1
