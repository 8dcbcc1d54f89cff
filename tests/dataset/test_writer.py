"""Captions onto the disk."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.captioner import TimedCaption
from adapter.chat import Caption, SamplingParameters
from adapter.dataset.ledger import Ledger, LedgerError
from adapter.dataset.plan import Job, Policy, Task
from adapter.dataset.recipe import Recipe, WeightedPrompt
from adapter.dataset.scan import FoundImage, stable_hash
from adapter.dataset.sidecar import Existing, Naming, WriteError, content_hash
from adapter.dataset.writer import EditedError, EmptyCaptionError, Finished, Writer
from adapter.errors import CaptionError, ImageDamagedError

RECIPE = Recipe("", (WeightedPrompt(text="Say."),), "", SamplingParameters(0.6, 0.9, None, 256))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / ".joycaption/ledger.sqlite")
    yield ledger
    ledger.close()


def finished(
    folder: Path,
    ledger: Ledger,
    name: str,
    result: str | CaptionError = "a cat",
    seen: bytes | None = None,
) -> Finished:
    """A caption of the image of that name, decided on when its text was `seen`."""
    (folder / name).touch()
    seen_hash = None if seen is None else content_hash(seen)
    task = Task(RECIPE, str(folder / Path(name).with_suffix(".txt")), seen_hash)
    job = Job(FoundImage(str(folder), name), name, ledger, (task,))
    if isinstance(result, str):
        return Finished(job, task, TimedCaption(Caption(result, "stop", 10, 5), 1.5))
    return Finished(job, task, result)


def write(batch: list[Finished], policy: Policy | None = None) -> list[CaptionError | None]:
    writer = Writer(policy or Policy(Naming()), lambda: "model")
    try:
        return writer.write(batch)
    finally:
        writer.close()


def test_captions_are_written_and_recorded(tmp_path: Path, ledger: Ledger) -> None:
    """Those that failed with their reason."""
    names = [f"{number}.png" for number in range(30)]
    batch = [finished(tmp_path, ledger, name) for name in names]
    batch.append(finished(tmp_path, ledger, "bad.png", ImageDamagedError("damaged")))
    *errors, failed = write(batch)
    assert errors == [None] * 30
    assert isinstance(failed, ImageDamagedError)
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"a cat"}
    (entry,) = ledger.lookup(["0.txt"]).values()
    assert (entry.hash, entry.seconds, entry.completion_tokens) == (content_hash(b"a cat"), 1.5, 5)
    assert entry.size == 0
    assert [(failure.image, failure.code) for failure in ledger.failures()] == [("bad.png", "image_damaged")]
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_text_that_was_changed_meanwhile_stays(tmp_path: Path, ledger: Ledger) -> None:
    """It is somebody's work; told to, it is replaced."""
    (tmp_path / "a.txt").write_bytes(b"edited")
    for seen in (None, b"ours"):
        (error,) = write([finished(tmp_path, ledger, "a.png", seen=seen)])
        assert isinstance(error, EditedError)
    assert (tmp_path / "a.txt").read_text() == "edited"
    policy = Policy(Naming(), Existing.OVERWRITE, overwrite_edited=True)
    assert write([finished(tmp_path, ledger, "a.png")], policy) == [None]
    assert (tmp_path / "a.txt").read_text() == "a cat"


def test_what_it_replaces_is_recorded(tmp_path: Path, ledger: Ledger) -> None:
    """So that a run that is killed before the text is in its place can be told from a person's edit."""
    (tmp_path / "a.txt").write_bytes(b"old")
    policy = Policy(Naming(), Existing.APPEND)
    assert write([finished(tmp_path, ledger, "a.png", seen=b"old")], policy) == [None]
    assert (tmp_path / "a.txt").read_text() == "old, a cat"
    (entry,) = ledger.lookup(["a.txt"]).values()
    assert (entry.previous_hash, entry.hash) == (content_hash(b"old"), content_hash(b"old, a cat"))


def test_an_empty_caption_is_no_text(tmp_path: Path, ledger: Ledger) -> None:
    """But a failure."""
    (error,) = write([finished(tmp_path, ledger, "a.png", "")])
    assert isinstance(error, EmptyCaptionError)
    assert not list(tmp_path.glob("*.txt"))


def test_a_text_that_can_not_be_written_fails_alone(tmp_path: Path, ledger: Ledger) -> None:
    """At the first step or at the last; there is nothing of it left, and it is made again."""
    temporary = tmp_path / f".joycaption-{stable_hash('a.txt'):016x}.tmp"
    temporary.mkdir()
    batch = [finished(tmp_path, ledger, name) for name in ("a.png", "b.png", "c.png")]
    (tmp_path / "c.txt").mkdir()
    first, second, third = write(batch, replace(Policy(Naming()), overwrite_edited=True))
    assert isinstance(first, WriteError)
    assert second is None
    assert isinstance(third, WriteError)
    assert {failure.image for failure in ledger.failures()} == {"a.png", "c.png"}
    left = set(os.listdir(tmp_path)) - {"a.png", "b.png", "c.png", ".joycaption"}
    assert left == {temporary.name, "b.txt", "c.txt"}


def test_without_its_record_no_text_is_written(tmp_path: Path, ledger: Ledger) -> None:
    """Both or neither."""
    batch = [finished(tmp_path, ledger, "a.png")]
    ledger.close()
    with pytest.raises(LedgerError):
        write(batch)
    assert not list(tmp_path.glob("*.txt"))
    assert not list(tmp_path.glob(".*.tmp"))


def test_without_sidecars_the_ledger_has_the_text(tmp_path: Path, ledger: Ledger) -> None:
    """And nothing is written beside the image."""
    policy = Policy(Naming("", full_name=True), sidecars=False)
    assert write([finished(tmp_path, ledger, "a.png")], policy) == [None]
    assert [entry.text for entry in ledger.entries()] == ["a cat"]
    assert not list(tmp_path.glob("*.txt"))
