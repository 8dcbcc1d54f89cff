"""The dataset command, option by option, against a fake engine."""

import array
import asyncio
import contextlib
import csv
import fcntl
import json
import os
import signal
import termios
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.config import PROJECT_DIR
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.run import LAST_CHANCE_S, MAX_TRIES
from adapter.policy import ExitCode
from adapter.stable_hash import stable_hash
from tests.cli.conftest import RunHere
from tests.command import PROMPT, Command
from tests.fake_engine import completion, image_url
from tests.waiting import until


async def test_a_folder_gets_a_text_beside_each_image(command: Command) -> None:
    """Folders may be nested and names of any kind; a broken image has its reason, and the run goes on."""
    names = ["a.png", "b/c d.jpg", "b/e/f'\"g.webp", "h\ni.bmp", "😀.gif", f"{'x' * 200}.tif", "UPPER.PNG"]
    for number, name in enumerate(names):
        command.picture(name, number)
    (command.folder / "broken.png").write_bytes(b"no image")
    (command.folder / ".hidden").mkdir()
    command.picture(".hidden/a.png")
    ended = await command.caption("--json")
    assert ended.code == ExitCode.SOME_FAILED, ended.errors
    assert set(command.texts()) == {os.path.splitext(name)[0] + ".txt" for name in names}
    assert len(set(command.texts().values())) == len(names)
    assert all(text.startswith("a picture ") for text in command.texts().values())
    assert (ended.json["done"], ended.json["failed"], ended.json["skipped"]) == (len(names), 1, 0)
    assert list(ended.json["failures"]) == ["not_an_image"]
    assert set(command.prompts()) == {PROMPT}
    assert not list(command.folder.rglob("*.tmp"))


async def test_a_second_run_asks_for_nothing(command: Command) -> None:
    """It needs neither captions nor an engine."""
    command.picture("a.png")
    (command.folder / "empty.png").write_bytes(command.picture("b.png", 1).read_bytes())
    (command.folder / "empty.txt").write_text(" \n")
    assert (await command.caption()).code == ExitCode.DONE
    assert command.text("empty.txt").startswith("a picture ")
    command.engine.asked.clear()
    ended = await command.caption("--json")
    assert ended.code == ExitCode.DONE
    assert (ended.json["skipped"], ended.json["done"]) == (3, 0)
    assert not command.engine.asked


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--style", "booru"], {"DANBOORU"}),
        (["--style", "Art Critic", "--length", "any"], {"CRITIC"}),
        (["--caption-type", "Art Critic", "--length", "20"], {"CRITIC Keep it within 20 words."}),
        (["--prompt", "Say {x}."], {"Say {x}."}),
        (
            ["--prompt", "Say.", "--option", "With {name}.", "--option", "B.", "--name", "Ann"],
            {"Say. With Ann. B."},
        ),
        (["--style", "casual", "--option", "B."], {"CASUAL B."}),
    ],
)
async def test_the_prompt_is_built_as_everywhere(
    command: Command, book: PromptBook, arguments: list[str], expected: set[str]
) -> None:
    """People choose it by style, by caption type, or in their own words."""
    command.picture("a.png")
    assert (await command.caption(*arguments)).code == ExitCode.DONE
    words = {
        "DANBOORU": book.prompt(PromptChoice(style="booru")),
        "CASUAL": book.prompt(PromptChoice(style="casual")),
    }
    words["CRITIC"] = book.caption_types["Art Critic"].any
    wanted = set()
    for text in expected:
        for word, meant in words.items():
            text = text.replace(word, meant)  # noqa: PLW2901
        wanted.add(text)
    assert set(command.prompts()) == wanted


async def test_sampling_is_sent_with_a_seed_of_each_images_own(command: Command) -> None:
    """It is the same on every run, whatever else is captioned."""
    command.pictures(3)
    arguments = "--temperature 0.5 --top-p 0.8 --top-k 40 --max-tokens 99 --seed 7".split()
    assert (await command.caption(*arguments)).code == ExitCode.DONE
    first = command.asked()
    assert {(b["temperature"], b["top_p"], b["top_k"], b["max_tokens"]) for b in first} == {
        (0.5, 0.8, 40, 99)
    }
    seeds = sorted(body["seed"] for body in first)
    assert len(set(seeds)) == 3
    command.engine.asked.clear()
    for path in command.folder.glob("*.txt"):
        path.unlink()
    await command.caption(*arguments, "--concurrency", "1")
    assert sorted(body["seed"] for body in command.asked()) == seeds
    command.engine.asked.clear()
    await command.caption("--existing", "overwrite")
    assert {body["seed"] for body in command.asked()} == {None}


async def test_prompts_of_a_file_are_spread_by_weight_and_stay(command: Command) -> None:
    """Which one an image gets follows from the seed and its path."""
    command.pictures(60)
    prompts = command.folder / "prompts.yaml"
    prompts.write_text('- One.\n- {text: "Two.", weight: 4}\n')
    assert (await command.caption("--prompts", prompts, "--seed", "1")).code == ExitCode.DONE
    first = command.prompts()
    assert set(first) == {"One.", "Two."}
    assert first.count("Two.") > first.count("One.") * 2
    ended = await command.caption("--prompts", prompts, "--seed", "1", "--existing", "overwrite", "--json")
    assert ended.json["skipped"] == 60


async def test_prefix_suffix_and_trigger_are_put_around(command: Command) -> None:
    """The trigger stands first, and once."""
    command.picture("a.png")
    command.picture("b.png", 1)

    assert (await command.caption("--prefix", "photo: ", "--suffix", " (end)", "--trigger", "sks")).code == 0
    assert all(
        text.startswith("sks, photo: a picture ") and text.endswith(" (end)")
        for text in command.texts().values()
    )


async def test_several_styles_are_written_side_by_side(command: Command) -> None:
    """An image's texts are asked for one after the other, so that the engine's cache has the image."""
    command.picture("a.png")
    command.picture("b.png", 1)
    ended = await command.caption("--styles", "casual,booru", "--concurrency", "1", "--json")
    assert ended.code == ExitCode.DONE
    assert set(command.texts()) == {"a.casual.txt", "a.booru.txt", "b.casual.txt", "b.booru.txt"}
    urls = [image_url(body) for body in command.asked()]
    assert urls[0] == urls[1] != urls[2] == urls[3]
    (command.folder / "a.booru.txt").unlink()
    assert (await command.caption("--styles", "casual,booru", "--json")).json["done"] == 1


async def test_extension_and_full_name(command: Command) -> None:
    """Two images with one name are an error for the second one, which --full-name mends."""
    command.picture("a.png")
    command.picture("a.jpg", 1)
    for _ in range(2):
        ended = await command.caption("--extension", ".caption", "--json")
        assert ended.code == ExitCode.SOME_FAILED
        assert ended.json["failures"]["sidecar_taken"]["count"] == 1
        assert "--full-name" in ended.json["failures"]["sidecar_taken"]["examples"][0]
    assert [path.name for path in command.folder.glob("*.caption")] == ["a.caption"]
    ended = await command.caption("--full-name")
    assert ended.code == ExitCode.DONE
    assert set(command.texts()) == {"a.png.txt", "a.jpg.txt"}


async def test_an_image_with_anothers_text_from_elsewhere_is_told_too(command: Command) -> None:
    """It doesn't matter that no run wrote the text."""
    command.picture("a.png")
    command.picture("a.jpg", 1)
    (command.folder / "a.txt").write_text("mine")
    ended = await command.caption("--json")
    assert (ended.json["skipped"], ended.json["failed"]) == (1, 1)
    assert command.text("a.txt") == "mine"


@pytest.mark.parametrize(
    ("how", "texts"),
    [
        ("skip", {"old": "old"}),
        ("append", {"old": "old, NEW", "Old.\n": "Old. NEW"}),
        ("prepend", {"old": "NEW, old"}),
        ("overwrite", {"old": "NEW"}),
    ],
)
async def test_existing_texts_are_kept_replaced_or_added_to(
    command: Command, how: str, texts: dict[str, str]
) -> None:
    """A comma comes between, or a blank after a sentence; a second run changes nothing."""
    command.pictures(len(texts))
    paths = [command.folder / f"{number}.txt" for number in range(len(texts))]
    for path, old in zip(paths, texts, strict=True):
        path.write_text(old)
    assert (await command.caption("--existing", how)).code == ExitCode.DONE
    new = [path.read_text() for path in paths]
    for text, pattern in zip(new, texts.values(), strict=True):
        start, _, end = pattern.partition("NEW")
        assert text.startswith(start)
        assert text.endswith(end)
        assert ("a picture" in text) is ("NEW" in pattern)
    again = await command.caption("--existing", how, "--json")
    assert again.json["skipped"] == len(texts)
    assert [path.read_text() for path in paths] == new


async def test_a_trigger_stands_first_and_once_beside_an_existing_text(command: Command) -> None:
    """The existing text may begin with it, and the new one would."""
    command.picture("a.png")
    path = command.folder / "a.txt"
    path.write_text("sks, old")
    await command.caption("--existing", "append", "--trigger", "sks")
    assert path.read_text().startswith("sks, old, a picture")
    assert path.read_text().count("sks") == 1


async def test_overwrite_redoes_just_what_was_made_otherwise(command: Command) -> None:
    """What a person edited is made anew only when told to."""
    command.pictures(4)
    await command.caption("--prompt", "One.")
    (command.folder / "0.txt").write_text("edited")
    (command.folder / "1.txt").unlink()
    command.picture("2.png", 20)  # another image by now
    ended = await command.caption("--prompt", "One.", "--existing", "overwrite", "--json")
    assert {name: ended.json[name] for name in ("done", "skipped", "edited")} == {
        "done": 2,
        "skipped": 1,
        "edited": 1,
    }
    assert command.text("0.txt") == "edited"
    ended = await command.caption("--prompt", "Two.", "--existing", "overwrite", "--json")
    assert (ended.json["done"], ended.json["edited"]) == (3, 1)
    ended = await command.caption(
        "--prompt", "Two.", "--existing", "overwrite", "--overwrite-edited", "--json"
    )
    assert (ended.json["done"], ended.json["skipped"]) == (1, 3)
    assert command.text("0.txt").startswith("a picture")


async def test_what_to_caption_can_be_chosen(command: Command) -> None:
    """That may be files, lists, folders without those in them, a number of images, or a share."""
    for number, name in enumerate(["a.png", "b.png", "c/d.png", "c/e.data"]):
        command.picture(name if name.endswith("png") else "c/e.png", number)
    (command.folder / "c/e.png").rename(command.folder / "c/e.data")

    async def done(*arguments: str | Path, stdin: bytes | None = None) -> set[str]:
        for path in command.folder.rglob("*.txt"):
            path.unlink()
        ended = await command.caption(*arguments, stdin=stdin)
        assert ended.code == ExitCode.DONE, ended.errors
        return set(command.texts())

    assert await done(".", "--no-recursive") == {"a.txt", "b.txt"}
    assert await done("b.png", "c/e.data") == {"b.txt", "c/e.txt"}
    assert await done("c", "a.png") == {"a.txt", "c/d.txt"}
    assert await done("--from-file", "-", stdin=f"a.png\n\n{command.folder}/c/d.png\n".encode()) == {
        "a.txt",
        "c/d.txt",
    } | {"b.txt"}
    assert len(await done(".", "--limit", "2")) == 2
    shares = [await done(".", "--shard", f"{index}/3") for index in (1, 2, 3)]
    assert sorted(name for share in shares for name in share) == ["a.txt", "b.txt", "c/d.txt"]


async def test_outputs_beside_or_instead_of_sidecars(command: Command) -> None:
    """They have Hugging Face's form, are whole at each end of a run, and show people's edits."""
    command.picture("a.png")
    command.picture("b/c.png", 1)
    output = command.folder / "metadata.jsonl"

    def lines() -> dict[str, str]:
        rows = [json.loads(line) for line in output.read_text().splitlines()]
        assert all(set(row) == {"file_name", "text"} for row in rows)
        return {row["file_name"]: row["text"] for row in rows}

    assert (await command.caption("--no-sidecar", "--output", output)).code == ExitCode.DONE
    assert set(lines()) == {"a.png", "b/c.png"}
    assert not command.texts()
    command.picture("d.png", 2)
    ended = await command.caption("--no-sidecar", "--output", output, "--json")
    assert (ended.json["done"], ended.json["skipped"]) == (1, 2)
    assert set(lines()) == {"a.png", "b/c.png", "d.png"}
    output.unlink()
    assert (await command.caption("--output", output)).code == ExitCode.DONE
    (command.folder / "a.txt").write_text("edited")
    assert (await command.caption("--output", output)).code == ExitCode.DONE
    assert lines()["a.png"] == "edited"
    output.write_text("mine")
    ended = await command.caption("--output", output)
    assert ended.code == ExitCode.WRONG_USAGE
    assert output.read_text() == "mine"
    import pyarrow.parquet

    table = command.folder / "t.parquet"
    assert (await command.caption("--styles", "casual,booru", "--output", table)).code == ExitCode.DONE
    rows = pyarrow.parquet.read_table(str(table)).to_pylist()
    assert {row["file_name"] for row in rows} == {"a.png", "b/c.png", "d.png"}
    assert set(rows[0]) == {"file_name", "text", "text_casual", "text_booru"}


async def test_retry_failed_takes_just_those(command: Command) -> None:
    """Only what failed before is taken, and nothing that is new."""
    command.picture("good.png")
    (command.folder / "bad.png").write_bytes(b"no")
    report = command.folder / "failures.csv"
    ended = await command.caption("--report", report)
    assert ended.code == ExitCode.SOME_FAILED
    (row,) = csv.DictReader(report.read_text().splitlines())
    assert (row["image"], row["reason"]) == ("bad.png", "not_an_image")
    assert "bad.png" in ended.errors
    command.picture("bad.png", 3)
    command.picture("new.png", 4)
    ended = await command.caption("--retry-failed", "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 1)
    assert set(command.texts()) == {"good.txt", "bad.txt"}
    assert (await command.caption("--retry-failed", "--json")).json["done"] == 0


async def test_dry_run_shows_and_does_nothing(command: Command) -> None:
    """It shows counts, and three images with their prompt and file."""
    command.pictures(5)
    (command.folder / "0.txt").write_text("there")
    ended = await command.caption("--dry-run", "--prompt", "Say it.", "--json")
    assert ended.code == ExitCode.DONE
    assert ended.json["counts"] == {"to caption": 4, "skipped": 1, "edited": 0, "failed": 0}
    assert len(ended.json["examples"]) == 3
    for example in ended.json["examples"]:
        assert example["prompt"] == "Say it."
        assert example["output"] == str(Path(example["image"]).with_suffix(".txt"))
    assert not command.engine.asked
    assert set(command.texts()) == {"0.txt"}
    assert not (command.folder / ".joycaption").exists()
    assert "Say it." in (await command.caption("--dry-run", "--prompt", "Say it.")).output


@pytest.mark.parametrize(
    "arguments",
    [
        ["/none"],
        [".", "--shard", "0/3"],
        [".", "--style", "none"],
        [".", "--style", "booru", "--prompt", "x"],
        [".", "--prompt", "<|eot_id|>"],
        [".", "--prompts", "none.yaml"],
        [".", "--caption-type", "none"],
        [".", "--no-sidecar"],
        [".", "--no-sidecar", "--output", "a.jsonl", "--existing", "append"],
        [".", "--output", "a.txt"],
        [".", "--output", "none/a.jsonl"],
        [".", "--format", "kohya"],
        [".", "--format", "none", "--output", "a.json"],
        [".", "--format", "kohya", "--output", "a.csv"],
        [".", "--format", "imagefolder", "--output", "a.jsonl"],
        [".", "--format", "imagefolder", "--output", "/metadata-is-elsewhere/metadata.jsonl"],
        [".", "--format", "diffusion-pipe", "--output", "../captions.json"],
        [".", "--format", "diffusion-pipe", "--output", "../captions.json", "--dry-run"],
        [".", "--format", "musubi", "--output", "a.jsonl", "--styles", "casual,booru"],
        [".", "--format", "ai-toolkit", "--output", "a.json", "--text-column", "caption"],
        [".", "--text-column", "caption"],
        [".", "--text-column", "file_name", "--output", "a.jsonl"],
        ["a.tar", "--output", "captions", "--format", "kohya"],
        ["a.tar", "--output", "captions", "--text-column", "caption"],
        [".", "--existing", "maybe"],
        [".", "--temperature", "9"],
        [".", "--style", "Art Critic", "--length", "endless"],
        [".", "--trigger", b"\xff"],
        [".", "--option", b"caf\xe9"],
        [".", "--concurrency", "0"],
        [".", "--nonsense"],
        [".", "--ledger", "/proc/none/ledger.sqlite"],
        [".", "--engine-url", "nonsense"],
        [],
    ],
)
def test_wrong_usage_is_2_in_one_line(
    run_here: RunHere, picture: Path, tmp_path: Path, arguments: list[str | bytes]
) -> None:
    """Nothing is captioned then."""
    ended = run_here("caption", *arguments)
    assert ended.code == ExitCode.WRONG_USAGE, ended.errors
    assert ended.errors.startswith("error: ")
    assert len(ended.errors.splitlines()) == 1
    assert not ended.output
    assert {path.name for path in tmp_path.iterdir()} <= {picture.name, ".joycaption"}


async def test_a_list_that_is_not_there_is_wrong_usage(command: Command) -> None:
    """That is found out once the run has begun, and ends the process in the same way."""
    ended = await command.caption("--from-file", "none.txt", "--limit", "1")
    assert (ended.code, ended.output) == (ExitCode.WRONG_USAGE, "")
    assert ended.errors == "error: --from-file none.txt can't be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--length", "endless", "--caption-type", "Art Critic"], "--length must be"),
        (["--option", "<|eot_id|>"], "--option holds"),
        (["--option", "{name}", "--name", "<|eot_id|>"], "--name holds"),
        (["--prompt", "<|eot_id|>"], "--prompt holds"),
        (["--style", "a", "--caption-type", "b"], "--style and --caption-type can't be used together"),
        (["--trigger", b"\xff"], "--trigger"),
    ],
)
def test_errors_name_the_flag(run_here: RunHere, arguments: list[str | bytes], named: str) -> None:
    """What the field is called by other faces is of no use on a command line."""
    ended = run_here("caption", ".", *arguments)
    assert ended.code == ExitCode.WRONG_USAGE
    assert named in ended.errors


async def test_top_k_of_0_is_off_whatever_the_styles_say(command: Command, tmp_path: Path) -> None:
    """Without it the default of styles.json holds."""
    command.picture("a.png")
    styles = json.loads((PROJECT_DIR / "styles.json").read_text())
    styles["sampling"]["top_k"] = 40
    (tmp_path / "styles.json").write_text(json.dumps(styles))
    own = ("--styles-file", tmp_path / "styles.json")
    assert (await command.caption(*own)).code == ExitCode.DONE
    assert (await command.caption(*own, "--existing", "overwrite", "--top-k", "0")).code == ExitCode.DONE
    assert [body["top_k"] for body in command.asked()] == [40, -1]


async def test_a_ledger_elsewhere_leaves_the_dataset_alone(command: Command, tmp_path: Path) -> None:
    """It may be a folder that can't be written to."""
    command.picture("a.png")
    ledger = tmp_path / "ledgers/mine.sqlite"
    assert (await command.caption("--ledger", ledger)).code == ExitCode.DONE
    assert not (command.folder / ".joycaption").exists()
    assert (await (await command.start("status", ledger, "--json")).end()).json["written"] == 1


async def test_two_runs_at_once_are_refused(command: Command) -> None:
    """The second one is, as long as the first one lasts."""
    command.picture("a.png")
    go_on = asyncio.Event()
    command.answer_after(go_on)
    first = await command.start("caption", ".")
    await until(lambda: command.engine.under_way == 1)
    ended = await command.caption()
    assert ended.code == ExitCode.WRONG_USAGE
    assert "Another run" in ended.errors
    go_on.set()
    assert (await first.end()).code == ExitCode.DONE


async def test_an_interrupted_run_finishes_what_is_under_way(command: Command) -> None:
    """That is written, and a later run makes the rest."""
    command.pictures(6)
    go_on = asyncio.Event()
    command.answer_after(go_on)
    started = await command.start("caption", ".", "--concurrency", "2", "--json")
    await until(lambda: command.engine.under_way == 2)
    started.signal(signal.SIGINT)
    await started.until_told("Stopping: ")
    go_on.set()
    ended = await started.end()
    assert ended.code == ExitCode.INTERRUPTED
    assert ended.json["done"] == len(command.texts()) == 2
    ended = await command.caption("--json")
    assert (ended.code, ended.json["done"], ended.json["skipped"]) == (ExitCode.DONE, 4, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_interruption_stops_at_once(command: Command, number: signal.Signals) -> None:
    """It doesn't wait for the engine, which never answers here, nor for the end of the last chance."""
    command.picture("a.png")
    command.answer_after(asyncio.Event())
    started = await command.start("caption", ".")
    await until(lambda: command.engine.under_way == 1)
    started.signal(number)
    await started.until_told("Stopping: ")
    started.signal(number)
    ended = await started.end(LAST_CHANCE_S - 1)
    assert ended.code == ExitCode.INTERRUPTED
    assert not command.texts()


async def test_an_engine_that_is_away_pauses_the_run(command: Command) -> None:
    """No image fails for it, and the run goes on when it is back."""
    command.pictures(10)

    async def breaks(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(command.asked()) > 3:
            assert request.transport is not None
            command.engine.healthy = False
            request.transport.abort()
            return web.Response(status=503)
        return web.json_response(completion(f"a picture numbered {len(command.engine.asked)}"))

    command.answer_captions(breaks)
    started = await command.start("caption", ".", "--concurrency", "2", "--json")
    await started.until_told("doesn't answer")
    command.engine.answer = None
    command.engine.healthy = True
    ended = await started.end()
    assert ended.code == ExitCode.DONE, ended.errors
    assert (ended.json["done"], ended.json["failed"]) == (10, 0)
    assert "doesn't answer" in ended.errors
    assert "is back" in ended.errors


async def test_an_engine_that_stays_away_ends_the_run_in_the_end(command: Command) -> None:
    """The same command goes on where that run was."""
    command.picture("a.png")
    command.engine.healthy = False
    ended = await command.caption("--engine-patience", "1")
    assert ended.code == ExitCode.ENGINE_GONE
    assert "goes on where this run was" in ended.errors
    command.engine.healthy = True
    assert (await command.caption()).code == ExitCode.DONE


async def test_an_engine_that_fails_at_one_image_fails_just_that(command: Command) -> None:
    """It is asked a few times about that image, and the run goes on."""
    command.picture("a.png")
    command.picture("b.png", 1)
    bad: list[str] = []

    async def fails(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not bad:
            bad.append(image_url(body))
        if image_url(body) in bad:
            return web.Response(status=500)
        return web.json_response(completion(f"a picture numbered {len(command.engine.asked)}"))

    command.answer_captions(fails)
    ended = await command.caption("--concurrency", "1", "--json")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 1, 1)
    assert sum(image_url(body) in bad for body in command.asked()) == MAX_TRIES


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_caption_is_a_failure_and_no_file(command: Command, text: str) -> None:
    """An empty text is never written."""
    command.picture("a.png")

    async def empty(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(text))

    command.answer_captions(empty)
    ended = await command.caption("--json", "--prefix", "photo of ")
    assert (ended.code, list(ended.json["failures"])) == (ExitCode.SOME_FAILED, ["bad_caption"])
    assert not command.texts()


async def test_a_text_that_cannot_be_written_fails_that_image(command: Command) -> None:
    """The run goes on with the others."""
    command.picture("good.png")
    command.picture(f"{'y' * 250}.png", 1)  # with the extension there is no room for more
    block_text_of(command, "blocked.png")
    ended = await command.caption("--full-name", "--json")
    assert (ended.code, ended.json["done"], ended.json["failed"]) == (ExitCode.SOME_FAILED, 1, 2)
    assert list(ended.json["failures"]) == ["write"]
    told = "".join(ended.json["failures"]["write"]["examples"])
    assert "File name too long" in told
    assert "Is a directory" in told


def block_text_of(command: Command, name: str) -> None:
    """Puts a folder in the place of the temporary file, so that no text can be written."""
    command.picture(name)
    with contextlib.closing(Ledger.open(ledger_path(str(command.folder)))) as ledger:
        marked = f"{ledger.marker}{name}.txt"
    (command.folder / f".joycaption-{stable_hash(marked):016x}.tmp").mkdir()


async def test_when_no_text_can_be_written_the_run_stops(command: Command) -> None:
    """It says so in one line, long before all captions are made for nothing."""
    for number in range(200):
        block_text_of(command, f"{number}.png")
    ended = await command.caption("--full-name", "--concurrency", "4")
    assert ended.code == ExitCode.SOME_FAILED
    assert ended.errors.count("error: Nothing can be written. ") == 1
    assert len(command.asked()) < 150


async def test_a_file_that_vanishes_fails_with_its_reason(command: Command) -> None:
    """A link to nothing stands for it."""
    (command.folder / "gone.png").symlink_to("nowhere.png")
    command.picture("a.png")
    ended = await command.caption("--json")
    assert (ended.json["done"], list(ended.json["failures"])) == (1, ["file_missing"])


async def test_concurrency_fixes_how_many_are_under_way(command: Command) -> None:
    """Without the option that follows what the engine reports."""
    command.pictures(50)

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.json_response(completion(f"a picture numbered {len(command.engine.asked)}"))

    command.engine.answer = slow
    await command.caption("--concurrency", "3")
    assert command.engine.most_under_way == 3
    command.engine.most_under_way = 0
    await command.caption("--existing", "overwrite", "--prompt", "x")
    assert command.engine.most_under_way > 8


async def test_without_a_terminal_there_are_plain_lines(command: Command) -> None:
    """There is a summary with counts, rate and tokens, and nothing that moves a cursor."""
    command.picture("a.png")
    ended = await command.caption()
    assert "1 captioned, 0 skipped, 0 failed" in ended.errors
    assert "images/s, 5 tokens written" in ended.errors
    assert "\x1b" not in ended.errors
    assert not ended.output


async def test_names_that_are_not_utf8_are_captioned_too(command: Command) -> None:
    """They are shown in a form that any terminal and any file can hold."""
    good = os.fsencode(command.folder) + b"/caf\xe9.png"
    os.rename(command.picture("x.png"), good)
    os.symlink(b"nowhere", os.fsencode(command.folder) + b"/bad\xff.png")
    ended = await command.caption("--report", "r.csv", "--output", "m.jsonl")
    assert ended.code == ExitCode.SOME_FAILED
    assert os.path.exists(good[:-4] + b".txt")
    assert "bad\\udcff.png" in ended.errors
    assert "bad\\udcff.png" in command.text("r.csv")
    assert "caf\\udce9.png" in json.loads(command.text("m.jsonl"))["file_name"]
    assert (await command.caption("--json")).json["skipped"] == 1


async def test_options_may_stand_before_after_and_between_datasets(command: Command) -> None:
    """The value of an option may begin with a hyphen, too."""
    for number, name in enumerate(("a/x.png", "b/y.png")):
        command.picture(name, number)
    arguments = ("--prompt", "-x", "a", "--engine-args", "--enforce-eager", "b", "--json")
    ended = await command.run("caption", *arguments)
    assert ended.json["done"] == 2
    assert set(command.prompts()) == {"-x"}


async def test_a_list_from_standard_input_may_hold_any_name(command: Command) -> None:
    """Python's own standard input refuses names that aren't UTF-8 where the locale is of that kind."""
    os.rename(command.picture("x.png"), os.fsencode(command.folder) + b"/caf\xe9.png")
    ended = await command.caption(
        "--from-file", "-", "--json", stdin=b"caf\xe9.png\n", PYTHONIOENCODING="utf-8:strict"
    )
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 1)


async def test_a_run_that_waits_for_its_list_can_be_interrupted(command: Command) -> None:
    """Whoever writes the list to standard input may take hours."""
    reading, writing = os.pipe()
    try:
        started = await command.start("caption", "--from-file", "-", "--json", stdin=reading)
        os.write(writing, b"0.png\n")
        await until(lambda: bytes_waiting(reading) == 0)
        started.signal(signal.SIGTERM)
        ended = await started.end()
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.code == ExitCode.INTERRUPTED, ended.errors
    assert ended.errors == ""
    assert ended.json["failed"] == 0


def bytes_waiting(pipe: int) -> int:
    """Gives how many bytes of a pipe nobody has read yet."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]
