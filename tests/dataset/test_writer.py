"""Captions onto the disk."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.decide import Existing, Facts, KeepEdited, Record, Text, decide
from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.editing import Outcome as EditOutcome
from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.placing import placing
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.texts.text_store import Texts
from adapter.dataset.writer import Finished, Outcome, Writer, Written
from adapter.errors import EmptyCaptionError, ImageDamagedError, LedgerError, WriteError
from adapter.stable_hash import stable_hash
from tests.datasets import finished
from tests.waiting import until


def write(batch: list[Finished], texts: Texts | None = None) -> list[Outcome]:
    writer = Writer(texts or Sidecars())
    try:
        return writer.write(batch)
    finally:
        writer.close()


def test_write_records_what_it_writes_and_what_failed(tmp_path: Path, dataset: Dataset) -> None:
    """Each text has its entry, and each failure its reason."""
    batch = [finished(dataset, f"{number}.png") for number in range(30)]
    batch.append(finished(dataset, "bad.png", ImageDamagedError("damaged")))
    *written, failed = write(batch)
    assert all(isinstance(outcome, Written) for outcome in written)
    assert isinstance(failed, ImageDamagedError)
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"a cat"}
    (entry,) = dataset.ledger.lookup(["0.txt"]).values()
    assert (entry.hash, entry.seconds, entry.completion_tokens) == (content_hash(b"a cat"), 1.5, 5)
    assert entry.size == 0
    failures = [(failure.image, failure.code) for failure in dataset.ledger.failures()]
    assert failures == [("bad.png", "image_damaged")]
    assert not list(tmp_path.glob(".*.tmp"))


def test_write_over_a_text_that_was_changed_meanwhile_keeps_it(tmp_path: Path, dataset: Dataset) -> None:
    """It is somebody's work, and replaced only when told."""
    (tmp_path / "a.txt").write_bytes(b"edited")
    for seen in (None, b"ours"):
        assert write([finished(dataset, "a.png", seen=seen)]) == [KeepEdited()]
    assert (tmp_path / "a.txt").read_text() == "edited"
    texts = Sidecars(Existing.OVERWRITE, overwrite_edited=True)
    (outcome,) = write([finished(dataset, "a.png")], texts)
    assert isinstance(outcome, Written)
    assert (tmp_path / "a.txt").read_text() == "a cat"


@pytest.mark.parametrize("overwrite_edited", [False, True])
async def test_write_keeps_what_is_edited_at_the_last_moment(
    tmp_path: Path, dataset: Dataset, overwrite_edited: bool
) -> None:
    """When the caption is on the disk already: no history has what would be lost."""
    (tmp_path / "a.txt").write_bytes(b"old")
    texts = Sidecars(Existing.OVERWRITE, overwrite_edited=overwrite_edited)
    batch = [finished(dataset, "a.png", seen=b"old"), finished(dataset, "b.png")]
    with ThreadPoolExecutor(1) as threads:
        with placing(dataset.ledger.path):
            writing = threads.submit(write, batch, texts)
            await until(lambda: len(dataset.ledger.lookup(["a.txt", "b.txt"])) == 2)
            (tmp_path / "a.txt").write_bytes(b"edited")
        kept, written = writing.result()
    assert (kept, type(written)) == (KeepEdited(), Written)
    assert (tmp_path / "a.txt").read_text() == "edited"
    assert not list(tmp_path.glob(".*.tmp"))
    entry = dataset.ledger.lookup(["a.txt"])["a.txt"]
    record = Record(is_ours=True, hash=entry.hash, previous_hash=entry.previous_hash)
    facts = Facts(Existing.OVERWRITE, text=Text(content_hash(b"edited")), record=record)
    assert decide(facts) == KeepEdited(), "it counts as edited by hand from then on"


def test_write_loses_no_edit_that_comes_at_the_same_time(tmp_path: Path, dataset: Dataset) -> None:
    """It is there, or can be put back, or whoever made it was told that the text had changed."""
    texts = Sidecars(Existing.OVERWRITE, overwrite_edited=True)
    together = threading.Barrier(2)

    def edit(text: Path) -> list[EditOutcome]:
        with contextlib.closing(Ledger.open(dataset.ledger.path, alone=False)) as ledger:
            together.wait()
            return write_edits(ledger, [Edit(str(text), text.name, b"old", b"edited")])

    for turn in range(20):
        # Each time another text: a run makes each of them once, and keeps what was there before the run.
        text = tmp_path / f"{turn}.txt"
        text.write_bytes(b"old")
        batch = [finished(dataset, f"{turn}.png", seen=b"old")]
        with ThreadPoolExecutor(1) as threads:
            editing = threads.submit(edit, text)
            together.wait()
            write(batch, texts)
            outcome = editing.result()
        runs = dataset.ledger.history.runs()
        replaced = [one for run in runs for one in dataset.ledger.history.replaced(run.number)]
        kept = [one.text for one in replaced if one.output == text.name]
        assert outcome == [KeepEdited()] or b"edited" in [text.read_bytes(), *kept]


def test_write_records_what_it_replaces(tmp_path: Path, dataset: Dataset) -> None:
    """A run that is killed before the text is in its place can so be told from a person's edit."""
    (tmp_path / "a.txt").write_bytes(b"old")
    (outcome,) = write([finished(dataset, "a.png", seen=b"old")], Sidecars(Existing.APPEND))
    assert isinstance(outcome, Written)
    assert (tmp_path / "a.txt").read_text() == "old, a cat"
    (entry,) = dataset.ledger.lookup(["a.txt"]).values()
    assert entry.previous_hash == content_hash(b"old")
    (past,) = dataset.ledger.history.runs()
    assert list(dataset.ledger.history.replaced(past.number)) == [
        Replaced("a.txt", b"old", content_hash(b"old, a cat"))
    ]


def test_write_beside_somebodys_text_makes_it_theirs(tmp_path: Path, dataset: Dataset) -> None:
    """Without a hash no later run takes it for its own; beside a run's own text it stays the run's."""
    (tmp_path / "a.txt").write_bytes(b"old")
    for is_somebodys in (True, False):
        one = finished(dataset, "a.png", seen=(tmp_path / "a.txt").read_bytes())
        task = replace(one.task, is_somebodys=is_somebodys)
        write([replace(one, task=task)], Sidecars(Existing.APPEND))
        (entry,) = dataset.ledger.lookup(["a.txt"]).values()
        assert (entry.hash is None) is is_somebodys


def test_write_of_a_text_that_is_replaced_keeps_its_mode(tmp_path: Path, dataset: Dataset) -> None:
    """What only its owner could read stays so."""
    (tmp_path / "a.txt").write_bytes(b"old")
    (tmp_path / "a.txt").chmod(0o600)
    write([finished(dataset, "a.png", seen=b"old")], Sidecars(Existing.OVERWRITE))
    assert (tmp_path / "a.txt").read_text() == "a cat"
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


def test_write_of_an_empty_caption_is_a_failure(tmp_path: Path, dataset: Dataset) -> None:
    """There is never an empty text."""
    (outcome,) = write([finished(dataset, "a.png", "")])
    assert isinstance(outcome, EmptyCaptionError)
    assert not list(tmp_path.glob("*.txt"))


def test_write_of_a_text_that_can_not_be_written_fails_alone(tmp_path: Path, dataset: Dataset) -> None:
    """It may fail at the first step or at the last; nothing of it is left, and it is made again."""
    temporary = tmp_path / f".joycaption-{stable_hash(dataset.ledger.marker + 'a.txt'):016x}.tmp"
    temporary.mkdir()
    batch = [finished(dataset, name) for name in ("a.png", "b.png", "c.png")]
    (tmp_path / "c.txt").mkdir()
    first, second, third = write(batch, Sidecars(overwrite_edited=True))
    assert isinstance(first, WriteError)
    assert isinstance(second, Written)
    assert isinstance(third, WriteError)
    assert {failure.image for failure in dataset.ledger.failures()} == {"a.png", "c.png"}
    left = set(os.listdir(tmp_path)) - {"a.png", "b.png", "c.png", ".joycaption"}
    assert left == {temporary.name, "b.txt", "c.txt"}


def test_write_without_a_record_writes_no_text(tmp_path: Path, dataset: Dataset) -> None:
    """There are both or neither."""
    batch = [finished(dataset, "a.png")]
    dataset.ledger.close()
    with pytest.raises(LedgerError):
        write(batch)
    assert not list(tmp_path.glob("*.txt"))
    assert not list(tmp_path.glob(".*.tmp"))


def test_write_without_sidecars_keeps_the_text_in_the_ledger(tmp_path: Path, dataset: Dataset) -> None:
    """Nothing is written beside the image."""
    (outcome,) = write([finished(dataset, "a.png")], TextsInLedger())
    assert isinstance(outcome, Written)
    assert [entry.text for entry in dataset.ledger.entries()] == ["a cat"]
    assert not list(tmp_path.glob("*.txt"))
