"""`joycaption check`: finds bad texts beside a dataset's images."""

import contextlib
import multiprocessing
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import IO, Annotated, Literal

import orjson
from cyclopts import Parameter, validators

from adapter.caption.flaws import Form, Kind
from adapter.child_process import follow_parent
from adapter.cli.display import dropped_line
from adapter.cli.results import print_pieces, print_result
from adapter.dataset.checking import Check
from adapter.dataset.fixing import Fixer
from adapter.dataset.history import DEFAULT_MAX_BYTES
from adapter.dataset.judging import Read, Standard
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.nearby import covering_folder
from adapter.dataset.records import on_one_line
from adapter.dataset.report import open_table
from adapter.dataset.texts.sidecars import Sidecars
from adapter.policy import ExitCode

EXAMPLES = 3
SHOWN_FINDINGS = 20


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
    fix: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Take off what loops, and what is left of a cut sentence or tag, where the rest is good; "
            "joycaption undo puts it back.",
        ),
    ] = False,
    history_bytes: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=0),
            help="How much of what is replaced here and by runs is kept for joycaption undo, in bytes.",
        ),
    ] = DEFAULT_MAX_BYTES,
    report: Annotated[Path | None, Parameter(help="A CSV file for all flaws.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> ExitCode:
    """Find bad texts beside a dataset's images, whoever wrote them. Exits with 1 where some are bad."""
    root = os.path.abspath(dataset)
    standard = Standard(root, None if form == "auto" else Form(form), trigger, follow_links)
    sidecars = Sidecars(extension=extension, full_name=full_name, follow_links=follow_links)
    examples: dict[str, list[str]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        workers = len(os.sched_getaffinity(0))
        # Nothing else runs in this process yet, so that a fork, which starts at once, is safe.
        context = multiprocessing.get_context("fork")
        executor = stack.enter_context(ProcessPoolExecutor(workers, context, follow_parent))
        checking = Check(standard, sidecars, executor, workers, recursive)
        fixer = stack.enter_context(_fixer(standard, history_bytes)) if fix else None
        # A million flawed texts would not fit into the memory.
        items = stack.enter_context(tempfile.TemporaryFile())
        write = (
            stack.enter_context(open_table(report, ("text", "flaw", "weight", "place"))) if report else None
        )
        for read in checking.run():
            is_fixed = fixer is not None and fixer.take(read)
            if as_json:
                items.write(orjson.dumps(_item(read, is_fixed=is_fixed)) + b"\n")
            for name, weight, shown in _findings(read):
                if write is not None:
                    write((read.path, name, weight, shown))
                if len(examples[name]) < EXAMPLES:
                    examples[name].append(f"  {on_one_line(read.path)}: {shown}")
        if fixer is not None:
            fixer.finish()
        if as_json:
            print_pieces(_as_json(checking, fixer, items))
        else:
            print_result("\n".join(_lines(checking, fixer, examples)))
    fixed = fixer.fixed if fixer else 0
    return ExitCode.SOME_FAILED if checking.hard > fixed or checking.unread else ExitCode.DONE


@contextlib.contextmanager
def _fixer(standard: Standard, history_bytes: int) -> Iterator[Fixer]:
    """Gives what repairs texts, with the ledger that keeps them as they were."""
    base = covering_folder(standard.root)
    with contextlib.closing(Ledger.open(ledger_path(base))) as ledger:
        ledger.history.max_bytes = history_bytes
        yield Fixer(ledger, base, standard)


def _findings(read: Read) -> list[tuple[str, str, str]]:
    """Gives name, weight and what shows it of each finding."""
    if read.problem:
        return [("unread", "hard", read.problem)]
    return [
        (flaw.kind.value, flaw.weight.value, on_one_line(excerpt))
        for flaw, excerpt in zip(read.flaws, read.excerpts, strict=True)
    ]


def _item(read: Read, *, is_fixed: bool) -> dict[str, object]:
    # Names that aren't UTF-8 can't stand in JSON as they are.
    item: dict[str, object] = {
        "text": on_one_line(read.path),
        "flaws": [flaw.as_dict() for flaw in read.flaws],
    }
    if is_fixed:
        item["fixed"] = True
    return item | {"problem": read.problem} if read.problem else item


def _as_json(checking: Check, fixer: Fixer | None, items: IO[bytes]) -> Iterator[str]:
    whole: dict[str, object] = {
        "texts": checking.texts,
        "flawed": checking.flawed,
        "hard": checking.hard,
        "unread": checking.unread,
        "flaws": checking.kinds,
        "same_texts": [
            {"text": on_one_line(same.text), "images": same.images, "example": on_one_line(same.example)}
            for same in checking.same_texts[:SHOWN_FINDINGS]
        ],
        "phrases": [{"words": phrase.words, "share": phrase.share} for phrase in checking.phrases],
        "over_clip_tokens": checking.over_clip and {str(name): n for name, n in checking.over_clip.items()},
    }
    if fixer is not None:
        whole["fixed"] = fixer.fixed
        whole["unfixed"] = [
            {"text": on_one_line(path), "problem": problem} for path, problem in fixer.problems
        ]
    yield orjson.dumps(whole).decode()[:-1] + ',"items":['
    items.seek(0)
    for number, line in enumerate(items):
        yield ("," if number else "") + line.decode().rstrip("\n")
    yield "]}"


def _lines(checking: Check, fixer: Fixer | None, examples: dict[str, list[str]]) -> list[str]:
    lines = [f"{checking.texts} texts, {checking.flawed} with flaws, {checking.hard} of them with hard ones"]
    for name, count in checking.kinds.most_common():
        lines += [f"{name}, {Kind(name).weight.value}: {count}", *examples[name]]
    if checking.unread:
        lines += [f"can't be read: {checking.unread}", *examples["unread"]]
    for same in checking.same_texts[:SHOWN_FINDINGS]:
        example = on_one_line(same.example)
        lines.append(f"one text for {same.images} different images, {example} too: {on_one_line(same.text)}")
    for phrase in checking.phrases[:SHOWN_FINDINGS]:
        lines.append(f"in {phrase.share:.0%} of the texts: {phrase.words}")
    if checking.over_clip is None:
        lines.append("CLIP's tokens were not counted: instant-clip-tokenizer is not installed")
    elif any(checking.over_clip.values()):
        counts = ", ".join(f"over {name}: {count}" for name, count in checking.over_clip.items() if count)
        lines.append(f"longer than CLIP reads, in tokens: {counts}")
    if fixer is not None:
        lines.append(f"{fixer.fixed} fixed; joycaption undo puts them back")
        if fixer.problems:
            lines.append(f"can't be fixed: {len(fixer.problems)}")
            lines += [f"  {on_one_line(path)}: {problem}" for path, problem in fixer.problems[:EXAMPLES]]
        if fixer.dropped:
            lines.append(dropped_line(fixer.dropped))
    return lines
