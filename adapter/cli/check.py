"""`joycaption check`: finds bad texts beside a dataset's images."""

import contextlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

import orjson
from cyclopts import Parameter

from adapter.caption.flaws import Flaw, Form, Kind
from adapter.cli.results import print_pieces, print_result
from adapter.dataset.checking import SHOWN_CHARACTERS, Check, Judged
from adapter.dataset.records import on_one_line
from adapter.dataset.report import open_table
from adapter.dataset.texts.sidecars import Sidecars
from adapter.policy import ExitCode

EXAMPLES = 3
SHOWN_FINDINGS = 20
CONTEXT_CHARACTERS = 20


def check(
    dataset: Annotated[str, Parameter(help="The dataset's folder.")],
    /,
    *,
    form: Annotated[
        Literal["auto", "prose", "tags", "prompt"],
        Parameter(help="What the texts are meant to be; auto lets each text tell, so that no form is wrong."),
    ] = "auto",
    trigger: Annotated[str, Parameter(help="A word that every text must have.")] = "",
    extension: Annotated[str, Parameter(help="What the names of the text files end in.")] = ".txt",
    full_name: Annotated[
        bool, Parameter(negative=(), help="The texts are called a.png.txt instead of a.txt.")
    ] = False,
    recursive: Annotated[bool, Parameter(help="Take the folders below the folder too.")] = True,
    follow_links: Annotated[bool, Parameter(negative=(), help="Follow links to folders and files.")] = False,
    report: Annotated[Path | None, Parameter(help="A CSV file for all flaws.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> ExitCode:
    """Find bad texts beside a dataset's images, whoever wrote them. Exits with 1 where some are bad."""
    sidecars = Sidecars(extension=extension, full_name=full_name, follow_links=follow_links)
    meant = None if form == "auto" else Form(form)
    judging = Check(os.path.abspath(dataset), sidecars, meant, trigger, recursive)
    examples: dict[str, list[str]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        # A million flawed texts would not fit into the memory.
        items = stack.enter_context(tempfile.TemporaryFile())
        write = (
            stack.enter_context(open_table(report, ("text", "flaw", "weight", "place"))) if report else None
        )
        for judged in judging.run():
            if as_json:
                items.write(orjson.dumps(_item(judged)) + b"\n")
            for name, weight, shown in _findings(judged):
                if write is not None:
                    write((judged.path, name, weight, shown))
                if len(examples[name]) < EXAMPLES:
                    examples[name].append(f"  {on_one_line(judged.path)}: {shown}")
        if as_json:
            print_pieces(_as_json(judging, items))
        else:
            print_result("\n".join(_lines(judging, examples)))
    return ExitCode.SOME_FAILED if judging.hard or judging.unread else ExitCode.DONE


def _findings(judged: Judged) -> list[tuple[str, str, str]]:
    """Gives name, weight and what shows it of each finding."""
    if judged.problem:
        return [("unread", "hard", judged.problem)]
    return [(flaw.kind.value, flaw.weight.value, _excerpt(judged.text, flaw)) for flaw in judged.flaws]


def _excerpt(text: str, flaw: Flaw) -> str:
    start = max(flaw.start - CONTEXT_CHARACTERS, 0)
    end = min(flaw.end + CONTEXT_CHARACTERS, start + SHOWN_CHARACTERS, len(text))
    shown = on_one_line(text[start:end])
    return ("…" if start else "") + shown + ("…" if end < len(text) else "")


def _item(judged: Judged) -> dict[str, object]:
    # Names that aren't UTF-8 can't stand in JSON as they are.
    item: dict[str, object] = {
        "text": on_one_line(judged.path),
        "flaws": [{"kind": flaw.kind.value, "weight": flaw.weight.value} for flaw in judged.flaws],
    }
    return item | {"problem": judged.problem} if judged.problem else item


def _as_json(judging: Check, items: IO[bytes]) -> Iterator[str]:
    whole = {
        "texts": judging.texts,
        "flawed": judging.flawed,
        "hard": judging.hard,
        "unread": judging.unread,
        "flaws": judging.kinds,
        "same_texts": [
            {"text": on_one_line(same.text), "images": same.images, "example": on_one_line(same.example)}
            for same in judging.same_texts[:SHOWN_FINDINGS]
        ],
        "phrases": [{"words": phrase.words, "share": phrase.share} for phrase in judging.phrases],
    }
    yield orjson.dumps(whole).decode()[:-1] + ',"items":['
    items.seek(0)
    for number, line in enumerate(items):
        yield ("," if number else "") + line.decode().rstrip("\n")
    yield "]}"


def _lines(judging: Check, examples: dict[str, list[str]]) -> list[str]:
    lines = [f"{judging.texts} texts, {judging.flawed} with flaws, {judging.hard} of them with hard ones"]
    for name, count in judging.kinds.most_common():
        lines += [f"{name}, {Kind(name).weight.value}: {count}", *examples[name]]
    if judging.unread:
        lines += [f"can't be read: {judging.unread}", *examples["unread"]]
    for same in judging.same_texts[:SHOWN_FINDINGS]:
        example = on_one_line(same.example)
        lines.append(f"one text for {same.images} different images, {example} too: {on_one_line(same.text)}")
    for phrase in judging.phrases[:SHOWN_FINDINGS]:
        lines.append(f"in {phrase.share:.0%} of the texts: {phrase.words}")
    return lines
