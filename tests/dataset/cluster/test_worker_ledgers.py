"""What workers of a cluster record, and how it gets into the dataset's own ledger."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.cluster.worker_ledgers import CHUNK, opened_worker_ledger, take_over
from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import dataset_ledgers, ledger_path
from adapter.dataset.placing import placing
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure
from adapter.dataset.verdicts import Verdict

A = Entry("a.txt", "a.png", "", WRITTEN, hash=b"new", details="made so", at=20.0)
LOST = Failure("b.png", "b.txt", "bad_caption", "it loops", 20.0)


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        yield ledger


def test_all_that_a_worker_has_recorded_is_taken_over(main: Ledger) -> None:
    """Its ledger is gone then, with all that lay beside it."""
    main.record([replace(A, hash=b"old", at=10.0)])
    with opened_worker_ledger(main.path) as ledger:
        refused = Verdict("b.txt", 3, ("loop",), "round and round")
        replaced = Replaced("a.txt", b"before", b"new")
        ledger.record([A], [LOST], [replaced], [Verdict("a.txt", 2, ("cut",)), refused])
        with placing(ledger.path):  # as whoever writes texts does
            pass
        ledger.record(replace(A, output=f"{number}.txt", image=f"{number}.png") for number in range(CHUNK))
    assert take_over(main) == 0
    assert main.lookup(["a.txt", "7.txt"])["a.txt"] == A
    assert len(list(main.entries())) == CHUNK + 1
    assert list(main.failures(refused=True)) == [replace(LOST, refused="round and round")]
    assert {one.output: one for one in main.verdicts.all()}["b.txt"] == refused
    (run,) = main.history.runs()
    assert list(main.history.replaced(run.number)) == [replaced]
    assert dataset_ledgers(str(main.path.parent.parent)) == [main.path]
    assert {path.name for path in main.path.parent.iterdir()} == {"ledger.sqlite", "ledger.sqlite.lock"}


def test_what_was_recorded_last_counts(main: Ledger) -> None:
    """Whoever recorded it, and in whatever order it is taken over."""
    late, found = replace(A, hash=b"late", at=30.0), Entry("a.txt", "a.png", "", FOUND)
    for entry in (late, A, found):
        with opened_worker_ledger(main.path) as ledger:
            ledger.record([entry])
            assert ledger.lookup(["a.txt"])["a.txt"].hash == b"late"
    take_over(main)
    assert main.lookup(["a.txt"])["a.txt"] == late
    with opened_worker_ledger(main.path) as ledger:
        ledger.record([A])
    take_over(main)
    assert list(main.entries()) == [late]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_failure_that_another_worker_made_good_is_over(main: Ledger, is_first: bool) -> None:
    """A later failure stands."""
    made = Entry("b.txt", "b.png", "", WRITTEN, hash=b"made", at=25.0)
    later = replace(LOST, image="a.png", output="a.txt", at=50.0)
    records = [([made, A], []), ([], [LOST, later])]
    for entries, failures in records if is_first else reversed(records):
        with opened_worker_ledger(main.path) as ledger:
            ledger.record(entries, failures)
    main.record((), [LOST])
    take_over(main)
    assert list(main.failures()) == [later]


def test_a_ledger_that_a_worker_still_has_stays(main: Ledger) -> None:
    """It may be lost and yet alive. Its records count all the same."""
    with opened_worker_ledger(main.path) as ledger:
        ledger.record([A])
        assert take_over(main) == 1
        main.look_for_others()
        assert main.lookup(["a.txt"])["a.txt"] == A
    assert take_over(main) == 0
    assert dataset_ledgers(str(main.path.parent.parent)) == [main.path]


def test_a_worker_reads_ledgers_that_are_made_after_its_own(main: Ledger) -> None:
    """So it knows what those did whose slices it gets."""
    with opened_worker_ledger(main.path) as first, opened_worker_ledger(main.path) as second:
        second.record([A])
        assert not first.lookup(["a.txt"])
        first.look_for_others()
        assert first.lookup(["a.txt"])["a.txt"] == A


def test_a_ledger_that_is_none_stays_and_keeps_nothing_back(main: Ledger) -> None:
    """Whatever lies there under such a name."""
    broken = main.path.with_name("ledger-of-worker-broken.sqlite")
    with opened_worker_ledger(main.path) as ledger:
        ledger.record([A])
    broken.write_bytes(b"no database" * 100)
    assert take_over(main) == 1
    assert list(main.entries()) == [A]
    assert broken.exists()


def test_a_ledger_whose_making_was_cut_short_is_removed(main: Ledger) -> None:
    """Its worker was killed before it could record anything."""
    main.path.with_name("ledger-of-worker-empty.sqlite").touch()
    assert take_over(main) == 0
    assert dataset_ledgers(str(main.path.parent.parent)) == [main.path]
