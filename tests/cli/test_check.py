"""`joycaption check`."""

import contextlib
import csv
import importlib.util
import os
import signal
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.policy import ExitCode
from tests.command import Command
from tests.processes import below
from tests.waiting import until

GOOD = "A photograph of a red fox that stands in deep snow, with bare birches behind it."
LOOP = GOOD + " The sky is grey today." * 6


def put(command: Command, name: str, text: str | bytes, number: int = 0) -> None:
    """Puts a picture there, with that text beside it."""
    picture = command.picture(name, number)
    picture.with_suffix(".txt").write_bytes(text if isinstance(text, bytes) else text.encode())


async def test_check_tells_good_texts_from_bad_ones(command: Command) -> None:
    """Pictures without a text are no matter of it."""
    put(command, "good.png", GOOD)
    put(command, "folder/loop.png", LOOP, 1)
    put(command, "meta.png", f"Sure! Here is a caption: {GOOD}", 2)
    command.picture("none.png", 3)
    put(command, "_controls/loop.png", LOOP, 4)
    put(command, "good-masklabel.png", LOOP, 5)
    ended = await command.run("check", ".", "--report", command.folder / "flaws.csv")
    assert ended.code == ExitCode.SOME_FAILED
    assert ended.output.startswith("3 texts, 2 with flaws, 1 of them with hard ones\n")
    assert "loop, hard: 1\n  folder/loop.txt: …" in ended.output
    assert "meta, soft: 1\n  meta.txt: Sure! Here is a caption:" in ended.output
    rows = list(csv.reader(command.text("flaws.csv").splitlines()))
    assert rows[0] == ["text", "flaw", "weight", "place"]
    assert {tuple(row[:3]) for row in rows[1:]} == {
        ("folder/loop.txt", "loop", "hard"),
        ("meta.txt", "meta", "soft"),
    }
    (command.folder / "folder/loop.txt").unlink()
    assert (await command.run("check", ".")).code == ExitCode.DONE, "soft flaws fail nothing"


async def test_check_gives_json(command: Command) -> None:
    """Each text with its flaws, and a count of each kind."""
    put(command, "a.png", LOOP)
    put(command, "b.png", GOOD, 1)
    told = (await command.run("check", ".", "--json", "--trigger", "ohwx")).json
    assert (told["texts"], told["flawed"], told["hard"]) == (2, 2, 1)
    assert told["flaws"] == {"loop": 1, "trigger_missing": 2}
    items = {item["text"]: item["flaws"] for item in told["items"]}
    missing = {"kind": "trigger_missing", "weight": "soft"}
    assert items == {"a.txt": [{"kind": "loop", "weight": "hard"}, missing], "b.txt": [missing]}


async def test_check_judges_the_form_that_it_is_told(command: Command) -> None:
    """Where it is told none, a list is as good as a sentence."""
    put(command, "a.png", "1girl, solo, long_hair, blue_eyes, blue_hair, blue_dress, smile")
    assert (await command.run("check", ".")).code == ExitCode.DONE
    assert (await command.run("check", ".", "--form", "prose", "--json")).json["flaws"] == {"form": 1}
    assert (await command.run("check", ".", "--form", "tags")).code == ExitCode.DONE
    assert (await command.run("check", ".", "--form", "poem")).code == ExitCode.WRONG_USAGE


async def test_check_sees_what_only_the_whole_shows(command: Command) -> None:
    """Copies of one image need one text, and images that share a stem have one."""
    for number in range(20):
        put(
            command,
            f"{number}.png",
            f"A photograph of thing {number}{'x' * number}, in the style of a dream.",
        )
    for number in range(20, 23):
        command.folder.joinpath(f"{number}.png").write_bytes(b"x" * number)
        command.folder.joinpath(f"{number}.txt").write_text(GOOD)
    command.folder.joinpath("20.jpg").write_bytes(b"another")
    command.folder.joinpath("copy.png").write_bytes(command.folder.joinpath("0.png").read_bytes())
    command.folder.joinpath("copy.txt").write_text(command.text("0.txt"))
    told = (await command.run("check", ".", "--json")).json
    assert told["texts"] == 24
    (same,) = told["same_texts"]
    assert (same["text"], same["images"]) == (GOOD, 3)
    assert {"words": "a photograph of", "share": 1.0} in told["phrases"]
    assert {phrase["words"] for phrase in told["phrases"]} >= {"in the style", "style of a", "of a dream"}


@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_check_outlives_whatever_lies_there(command: Command, options: tuple[str, ...]) -> None:
    """Links, pipes, folders, other encodings, names that are no text, and large files."""
    put(command, "latin.png", "Ein Fuchs läuft über den Schnee.".encode("latin-1"))
    put(command, "empty.png", b"", 1)
    put(command, "large.png", b"fox " * 300_000, 2)
    put(command, "bom.png", GOOD.encode("utf-8-sig"), 3)
    put(command, "\x1b[2J.png", "<|im_end|>\x1b[2J", 4)
    os.symlink("/etc/passwd", command.picture("link.png", 5).with_suffix(".txt"))
    os.mkfifo(command.picture("pipe.png", 6).with_suffix(".txt"))
    command.picture("folder.png", 7).with_suffix(".txt").mkdir()
    command.folder.joinpath(os.fsdecode(b"\xff.png")).write_bytes(b"x")
    command.folder.joinpath(os.fsdecode(b"\xff.txt")).write_text("ha ha ha ha ha ha ha ha ha ha ha ha")
    ended = await command.run("check", ".", *options)
    assert ended.code == ExitCode.SOME_FAILED
    assert "\x1b" not in ended.output
    assert "root:" not in ended.output
    if options:
        assert (ended.json["texts"], ended.json["unread"]) == (5, 4)
        problems = {item["text"] for item in ended.json["items"] if "problem" in item}
        assert problems == {"large.txt", "link.txt", "pipe.txt", "folder.txt"}
        found = {item["text"]: [flaw["kind"] for flaw in item["flaws"]] for item in ended.json["items"]}
        assert "nonsense" in found["latin.txt"]
        assert "empty" in found["empty.txt"]
        assert "bom.txt" not in found
    else:
        assert "can't be read: 4" in ended.output
    assert (await command.run("check", command.folder / "nowhere")).code == ExitCode.WRONG_USAGE
    full = await command.run("check", ".", "--report", "/dev/full")
    assert full.code == ExitCode.SOME_FAILED
    assert "/dev/full can't be written" in full.errors


async def test_check_fix_takes_off_what_is_bad_and_undo_puts_it_back(command: Command) -> None:
    """What is still bad fails the command as before."""
    put(command, "loop.png", LOOP)
    put(command, "refusal.png", "I'm sorry, but I can't help with this image.", 1)
    ended = await command.run("check", ".", "--fix", "--json")
    assert (ended.code, ended.json["fixed"]) == (ExitCode.SOME_FAILED, 1)
    assert {item["text"]: item.get("fixed") for item in ended.json["items"]} == {
        "loop.txt": True,
        "refusal.txt": None,
    }
    assert command.text("loop.txt") == f"{GOOD} The sky is grey today."
    assert (await command.run("undo", ".")).output == "run 1: 1 texts are back as they were\n"
    assert command.text("loop.txt") == LOOP
    (command.folder / "refusal.txt").unlink()
    ended = await command.run("check", ".", "--fix")
    assert ended.code == ExitCode.DONE
    assert "1 fixed; joycaption undo puts them back" in ended.output
    assert (await command.run("check", ".")).code == ExitCode.DONE


async def test_check_fix_waits_for_no_other_run(command: Command) -> None:
    """Two programs that replace texts at one time would lose some."""
    put(command, "loop.png", LOOP)
    with contextlib.closing(Ledger.open(ledger_path(str(command.folder)))):
        ended = await command.run("check", ".", "--fix")
    assert ended.code == ExitCode.WRONG_USAGE
    assert "Another run works on this dataset" in ended.errors
    assert command.text("loop.txt") == LOOP


async def test_check_tells_how_long_texts_are_for_clip(command: Command) -> None:
    """Where its tokenizer can be installed."""
    put(command, "a.png", f"{GOOD} " + " ".join(f"There is also a thing called {n}." for n in "abcdefghijk"))
    put(command, "b.png", GOOD, 1)
    told = (await command.run("check", ".", "--json")).json["over_clip_tokens"]
    lines = (await command.run("check", ".")).output
    if importlib.util.find_spec("instant_clip_tokenizer"):
        assert told == {"77": 1, "225": 0, "512": 0}
        assert "longer than CLIP reads, in tokens: over 77: 1" in lines
    else:
        assert told is None
        assert "instant-clip-tokenizer is not installed" in lines


async def test_check_of_many_texts_leaves_no_process_when_it_is_killed(command: Command) -> None:
    """Those that judge end with the one that was asked."""
    command.picture("0.png")
    for number in range(6000):
        (command.folder / f"{number}.png").write_bytes(b"x")
        (command.folder / f"{number}.txt").write_text(f"{GOOD} " * 20)
    started = await command.start("check", ".")
    await until(lambda: any(below(started.pid)))
    workers = list(below(started.pid))
    started.signal(signal.SIGKILL)
    await started.end()
    await until(lambda: not any(is_alive(worker) for worker in workers))


def is_alive(pid: int) -> bool:
    """Tells whether a process is more than an end that nobody has asked about."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
