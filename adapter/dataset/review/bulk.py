"""Changes many texts at once. Meant for a process of its own: an expression may take its time."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapter.dataset.nearby import covering_folder
from adapter.dataset.review.changes import Change
from adapter.dataset.review.index import Index
from adapter.dataset.review.lookup import CHUNK, ReviewedItem, ReviewedText, items
from adapter.dataset.review.mending import Conflict, Mended, Mender
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.texts import text_file
from adapter.dataset.undo import Undone, undo
from adapter.errors import InvalidRequestError, WriteError

MAX_PROBLEMS = 20
MAX_PREVIEW_S = 30.0
MAX_SHOWN = 2_000_000  # characters in one answer


@dataclass(frozen=True)
class Previewed:
    """How many texts a change would change, and some of them: path, text before, text after."""

    count: int
    changes: tuple[tuple[str, str, str], ...]


@dataclass
class Changed:
    """What came of a change: `change` numbers it for `undo`, None where nothing was changed.

    `kept` counts texts that were changed by somebody else meanwhile, and stay.
    """

    change: int | None = None
    changed: int = 0
    kept: int = 0
    failed: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, part: "Changed") -> None:
        """Counts a part of the same change in."""
        self.change = part.change
        self.changed += part.changed
        self.kept += part.kept
        self.failed += part.failed
        self.problems = [*self.problems, *part.problems][:MAX_PROBLEMS]


def preview_change(
    path: Path, numbers: Sequence[int], change: Change, *, style: str | None, first: int, count: int
) -> Previewed:
    """Gives what a change would do to the texts of items, and `count` of the changes from the `first` on.

    Of long texts fewer are shown, but one at least. With `style` only texts of that style are meant. Raises
    WrongFieldError, WriteError.
    """
    changed = change.compiled()
    shown: list[tuple[str, str, str]] = []
    total, characters = 0, 0
    ends = time.monotonic() + MAX_PREVIEW_S
    with contextlib.closing(Index.open(path)) as index:
        for _, text in _texts(index, numbers, style):
            if time.monotonic() > ends:
                raise InvalidRequestError(
                    f"It took more than {MAX_PREVIEW_S:g} s: choose fewer texts, or a simpler expression"
                )
            after = changed(text.text)
            if after != text.text:
                if first <= total < first + count and characters < MAX_SHOWN:
                    shown.append((text.path, text.text, after))
                    characters += len(text.text) + len(after)
                total += 1
    return Previewed(total, tuple(shown))


def change_texts(
    path: Path,
    root: str,
    extension: str,
    numbers: Sequence[int],
    change: Change,
    *,
    style: str | None,
    number: int | None,
) -> Changed:
    """Changes the texts of some items, as a part of the change of that `number`, or of a new one.

    It is made to the texts as they are now, whatever the index knows. Raises WrongFieldError, LedgerError,
    WriteError.
    """
    changed = change.compiled()
    done = Changed(number)
    with (
        contextlib.closing(Index.open(path)) as index,
        open_datasets(Selection([root]), alone=False) as (dataset,),
    ):
        wanted = []
        for item, text in _texts(index, numbers, style):
            try:
                content = text_file.read(os.path.join(root, text.path))
                if content is None:
                    continue
                # What isn't UTF-8 stays as it is.
                before = content.decode("utf-8", "surrogateescape")
                after = changed(before).encode("utf-8", "surrogateescape").decode("utf-8")
                if len(after.encode()) > text_file.MAX_BYTES:
                    raise WriteError(f"It would have more than {text_file.MAX_BYTES} bytes")
            except WriteError as error:
                _fail(done, text.path, error.message)
                continue
            except UnicodeDecodeError:
                _fail(done, text.path, "It isn't UTF-8")
                continue
            if after != before:
                seen = text_file.content_hash(content)
                wanted.append(Mended(item.key, text.style, text.path, seen, after))
        mender = Mender(dataset, index, extension, number)
        for one, outcome in zip(wanted, mender.write(wanted), strict=True):
            if isinstance(outcome, Conflict):
                done.kept += 1
            elif isinstance(outcome, WriteError):
                _fail(done, one.path, outcome.message)
            else:
                done.changed += 1
        done.change = mender.change
    return done


def undo_change(root: str, number: int, *, force: bool) -> Undone:
    """Puts back what the change of that number replaced. Raises InvalidRequestError, LedgerError."""
    with open_datasets(Selection([root]), alone=False) as (dataset,):
        base = covering_folder(root)
        return undo(dataset.ledger, base, number, force=force)


def _fail(done: Changed, path: str, problem: str) -> None:
    done.failed += 1
    if len(done.problems) < MAX_PROBLEMS:
        done.problems.append((path, problem))


def _texts(
    index: Index, numbers: Sequence[int], style: str | None
) -> Iterator[tuple[ReviewedItem, ReviewedText]]:
    """Yields the texts of items, each file once."""
    seen: set[str] = set()
    for start in range(0, len(numbers), CHUNK):
        for item in items(index, numbers[start : start + CHUNK]):
            for text in item.texts:
                if text.hash is not None and style in (None, text.style) and text.path not in seen:
                    seen.add(text.path)
                    yield item, text
