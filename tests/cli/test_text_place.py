"""Where the command puts the texts of folders, in which layout, and which choices don't go together."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.caption_options import TextOptions
from adapter.cli.text_place import layout_for, texts_for
from adapter.dataset.dataset_layout import Format
from adapter.errors import InvalidRequestError
from adapter.policy import ExitCode
from tests.cli.conftest import RunHere
from tests.command import Command

MINE = [
    {"id": 12345678901234567890123, "file_name": "b/c.png", "text": None, "score": 0.5, "tags": ["x"]},
    {"id": 2, "file_name": "a.png", "text": "mine", "score": 1.0, "tags": []},
    {"id": 3, "file_name": "gone.png", "score": None, "tags": []},
]


def test_a_layout_needs_a_file() -> None:
    """Otherwise it would mean nothing."""
    assert layout_for(TextOptions(format=Format.KOHYA, output="x.json")).format is Format.KOHYA
    for written in (TextOptions(format=Format.KOHYA), TextOptions(text_column="caption")):
        with pytest.raises(InvalidRequestError, match="add --output FILE"):
            layout_for(written)
    with pytest.raises(InvalidRequestError, match="add --output FILE"):
        texts_for(TextOptions(sidecar=False), follow_links=False)


def pictures(command: Command) -> Path:
    """Makes two pictures, and gives their folder."""
    command.picture("a.png")
    command.picture("b/c.png", 1)
    return command.folder


@pytest.mark.parametrize(
    ("chosen", "name"),
    [("kohya", "x.json"), ("kohya", "x.jsonl"), ("musubi", "x.jsonl"), ("ai-toolkit", "x.json")],
)
async def test_files_of_trainers_go_on_and_show_edits(command: Command, chosen: str, name: str) -> None:
    """They are made anew at each end of a run, as a whole, and nothing is captioned twice."""
    folder = pictures(command)
    output = folder / name

    def captions() -> dict[str, str]:
        if name.endswith(".json"):
            return {path: said["caption"] for path, said in json.loads(output.read_text()).items()}
        rows = [json.loads(line) for line in output.read_text().splitlines()]
        assert all(set(row) == {"image_path", "caption"} for row in rows)
        return {row["image_path"]: row["caption"] for row in rows}

    options = ("--format", chosen, "--output", name)
    assert (await command.caption(*options, "--limit", "1")).code == ExitCode.DONE
    assert len(captions()) == 1
    assert (await command.caption(*options, "--json")).json["done"] == 1
    assert set(captions()) == {str(folder / "a.png"), str(folder / "b/c.png")}
    (folder / "a.txt").write_text("edited")
    ended = await command.caption(*options, "--existing", "overwrite", "--json")
    assert (ended.json["edited"], ended.json["done"]) == (1, 0)
    assert captions()[str(folder / "a.png")] == "edited"
    before = output.read_bytes()
    output.write_bytes(before + b" ")
    ended = await command.caption(*options)
    assert (ended.code, output.read_bytes()) == (ExitCode.WRONG_USAGE, before + b" ")
    assert "move it away" in ended.errors


async def test_several_texts_go_where_they_have_room(command: Command) -> None:
    """diffusion-pipe's file has a list for each image, AI-Toolkit's a short caption beside the other."""
    command.picture("a.png")
    styles = ("--no-sidecar", "--styles", "casual,booru")
    ended = await command.caption(*styles, "--format", "diffusion-pipe", "--output", "captions.json")
    assert ended.code == ExitCode.DONE, ended.errors
    said = json.loads((command.folder / "captions.json").read_text())
    assert list(said) == ["a.png"]
    casual, booru = said["a.png"]
    ended = await command.caption(*styles, "--format", "ai-toolkit", "--output", "x.json", "--json")
    assert (ended.code, ended.json["done"]) == (ExitCode.DONE, 0)
    (entry,) = json.loads((command.folder / "x.json").read_text()).values()
    assert entry == {"caption": casual, "caption_short": booru}


def given(path: Path, rows: list[dict[str, Any]]) -> bytes:
    """Writes a metadata file of somebody's, and gives its content."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.read_bytes()


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_metadata_file_is_captioned_with_all_that_it_holds(command: Command) -> None:
    """Its rows, their order and their columns stay, and so does the file itself."""
    folder = pictures(command)
    command.picture("unnamed.png", 2)
    before = given(folder / "original.jsonl", MINE)
    options = ("original.jsonl", "--no-sidecar", "--format", "imagefolder", "--output", "metadata.jsonl")
    ended = await command.caption(*options, "--json")
    assert (ended.code, ended.json["done"], ended.json["skipped"]) == (ExitCode.SOME_FAILED, 1, 1)
    rows = read(folder / "metadata.jsonl")
    made = rows[0]["text"]
    assert made
    assert rows == [MINE[0] | {"text": made}, MINE[1], MINE[2] | {"text": None}]
    command.picture("gone.png", 3)
    assert (await command.caption(*options, "--json")).json["done"] == 1
    assert [bool(row["text"]) for row in read(folder / "metadata.jsonl")] == [True, True, True]
    assert (folder / "original.jsonl").read_bytes() == before
    assert not command.texts()


@pytest.mark.parametrize(
    ("chosen", "name"), [("imagefolder", "metadata.jsonl"), ("kohya", "x.json"), ("musubi", "x.jsonl")]
)
async def test_json_without_blanks_is_captioned_for_anybody(command: Command, chosen: str, name: str) -> None:
    """Taken for CSV, each of its names would be a value in quotes with something behind it."""
    command.picture("a.png")
    (command.folder / "mine.jsonl").write_text('{"file_name":"a.png","mine":1}\n')
    ended = await command.caption("mine.jsonl", "--no-sidecar", "--format", chosen, "--output", name)
    assert ended.code == ExitCode.DONE, ended.errors
    assert "a.png" in (command.folder / name).read_text()


async def test_texts_of_a_metadata_file_follow_the_rules_of_edits(command: Command) -> None:
    """They are replaced where that is asked for, once, and count again where somebody changes them."""
    folder = pictures(command)
    source, output = folder / "original.jsonl", folder / "metadata.jsonl"
    given(source, MINE[:2])

    async def counts(*arguments: str) -> tuple[int, ...]:
        ended = await command.caption(
            "original.jsonl", "--no-sidecar", "--output", "metadata.jsonl", "--json", *arguments
        )
        assert ended.code == ExitCode.DONE, ended.errors
        return tuple(ended.json[name] for name in ("done", "skipped", "edited"))

    assert await counts("--existing", "overwrite") == (2, 0, 0)
    ours = read(output)[1]["text"]
    assert ours != "mine"
    assert await counts("--existing", "overwrite") == (0, 2, 0)
    assert await counts() == (0, 2, 0)
    assert read(output)[1]["text"] == ours
    given(source, [MINE[0], MINE[1] | {"text": "changed"}])
    assert await counts("--existing", "overwrite") == (0, 1, 1)
    assert read(output)[1]["text"] == "changed"
    assert await counts("--existing", "overwrite", "--overwrite-edited") == (1, 1, 0)
    assert read(output)[1]["text"] not in ("changed", "mine")


async def test_captions_can_have_a_column_of_their_own(command: Command) -> None:
    """Then texts that are there stay beside them. In CSV all values stay what they are."""
    folder = pictures(command)
    (folder / "original.csv").write_text('id,file_name,text\n007,b/c.png,"=1,5 ""x"""\n08,a.png,\n')
    ended = await command.caption(
        *("original.csv", "--no-sidecar", "--format", "imagefolder", "--output", "metadata.csv"),
        *("--text-column", "caption"),
    )
    assert ended.code == ExitCode.DONE, ended.errors
    with (folder / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [["id", "file_name", "text", "caption"]] * 2
    assert [(row["id"], row["text"]) for row in rows] == [("007", '=1,5 "x"'), ("08", "")]
    assert all(row["caption"] for row in rows)


async def test_a_metadata_file_says_what_is_captioned_for_others_too(command: Command) -> None:
    """Beside the images its texts don't count, and in a trainer's file they do."""
    folder = pictures(command)
    command.picture("unnamed.png", 2)
    given(folder / "mine.jsonl", MINE[:2])
    assert (await command.caption("mine.jsonl")).code == ExitCode.DONE
    assert set(command.texts()) == {"a.txt", "b/c.txt"}
    options = ("mine.jsonl", "--no-sidecar", "--format", "kohya", "--output", "x.json")
    assert (await command.caption(*options)).code == ExitCode.DONE
    said = json.loads((folder / "x.json").read_text())
    assert list(said) == [str(folder / "b/c.png"), str(folder / "a.png")]
    assert said[str(folder / "a.png")] == {"caption": "mine"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.jsonl", "--output", "metadata.jsonl"], "only with --no-sidecar"),
        (["mine.jsonl", "--no-sidecar", "--output", "mine.jsonl"], "is the dataset itself"),
        (["mine.jsonl", "--no-sidecar", "--output", "link.jsonl"], "is the dataset itself"),
        (["mine.jsonl", "--no-sidecar", "--output", "x.csv"], "must end as mine.jsonl does"),
        (["mine.jsonl", "--no-sidecar", "--output", "x.parquet"], "must end as mine.jsonl does"),
        (["mine.jsonl", "b", "--no-sidecar", "--output", "x.jsonl"], "its columns are its own"),
        (["mine.jsonl", "--no-sidecar", "--output", "x.jsonl", "--styles", "casual,booru"], "--styles: "),
        (["mine.jsonl", "--no-sidecar", "--output", "x.jsonl", "--text-column", "id"], "line 1: id is no"),
        (["mine.jsonl", "--no-sidecar", "--output", "foreign.jsonl"], "move it away"),
        (
            [".", "--no-sidecar", "--format", "imagefolder", "--output", "metadata.jsonl"],
            "move it away, and caption it by its name to keep its columns",
        ),
        ([".", "--output", "link.jsonl"], "move it away"),
    ],
)
def test_nothing_of_a_metadata_file_is_risked(
    run_here: RunHere, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Wrong combinations are told of before anything is begun, and no file of somebody's is changed."""
    folder = tmp_path
    (folder / "b").mkdir()
    for name in ("mine.jsonl", "foreign.jsonl", "metadata.jsonl"):
        given(folder / name, MINE[:2])
    (folder / "link.jsonl").symlink_to("mine.jsonl")
    before = {path: path.read_bytes() for path in folder.glob("*.jsonl")}
    ended = run_here("caption", *arguments)
    assert ended.code == ExitCode.WRONG_USAGE
    assert message in ended.errors
    assert len(ended.errors.splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.glob("*.jsonl")} == before
    assert (folder / "link.jsonl").is_symlink()
