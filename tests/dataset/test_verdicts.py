"""What was found wrong with captions."""

import contextlib
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, to_failure
from adapter.dataset.verdicts import Verdict
from adapter.errors import BadCaptionError

REFUSED = BadCaptionError("I can't.", ["refusal"], 3)


def entry(output: str) -> Entry:
    return Entry(output, output.replace(".txt", ".png"), "", WRITTEN)


def test_record_keeps_verdicts_until_a_text_is_written_anew(tmp_path: Path) -> None:
    """A good text ends what was said about the bad one."""
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        failures = [to_failure(f"{name}.png", f"{name}.txt", REFUSED) for name in "ab"]
        refused = [Verdict(f"{name}.txt", 3, ("refusal",), "I can't.") for name in "ab"]
        ledger.record((), failures, (), refused)
        ledger.record([entry("c.txt")], (), (), [Verdict("c.txt", 2, ("repaired", "meta"))])
        outputs = ["a.txt", "b.txt", "c.txt"]
        assert ledger.verdicts.refused_attempts(outputs) == {"a.txt": 3, "b.txt": 3}
        assert ledger.verdicts.kinds() == {"repaired": 1, "meta": 1}
        assert [(one.output, one.refused) for one in ledger.failures(recent=True, refused=True)] == [
            ("a.txt", "I can't."),
            ("b.txt", "I can't."),
        ]
        ledger.record([entry("a.txt"), entry("c.txt")])
        assert ledger.verdicts.refused_attempts(outputs) == {"b.txt": 3}
        assert ledger.verdicts.kinds() == {}


def test_refused_attempts_of_a_planted_table_takes_only_sound_numbers(tmp_path: Path) -> None:
    """The ledger may have come with its dataset."""
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        with ledger.transaction() as connection:
            connection.executemany(
                "INSERT INTO verdicts VALUES (?, ?, ?, ?)",
                [("a", "x", 7, "t"), ("b", -1, b"", "t"), ("c", 2**40, "loop", b"t"), ("d", 5, b"loop", "t")],
            )
            connection.execute("INSERT INTO verdicts VALUES ('e', 5, x'00ff', NULL)")
        assert ledger.verdicts.refused_attempts(["a", "b", "c", "d", "e"]) == {"d": 5}
        assert ledger.verdicts.kinds() == {}


def test_a_ledger_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    """It is read as it is: only a run may change it."""
    path = ledger_path(str(tmp_path))
    with contextlib.closing(Ledger.open(path)) as ledger:
        ledger.record((), [to_failure("a.png", "a.txt", REFUSED)])
        with ledger.transaction() as connection:
            connection.execute("DROP TABLE verdicts")
    with contextlib.closing(Ledger.open_read_only(path)) as ledger:
        assert ledger.verdicts.kinds() == {}
        assert [failure.refused for failure in ledger.failures()] == [""]
    with contextlib.closing(Ledger.open(path)) as ledger:
        assert ledger.verdicts.refused_attempts(["a.txt"]) == {}
