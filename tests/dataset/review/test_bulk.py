"""Many texts changed at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.review.bulk import Changed, change_texts, preview_change, undo_change
from adapter.dataset.review.changes import AddTags, Change, RemoveTags, Replace
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import found
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.undo import undo
from adapter.errors import InvalidRequestError, WrongFieldError
from tests.reviewed import Reviewed

TEXTS = 40
# Changes all texts, and is killed when as many are in their places as it was told.
KILLED = """
import os, signal, sys
from pathlib import Path
from adapter.dataset.review.bulk import change_texts
from adapter.dataset.review.changes import Replace

put, calls = os.replace, []
def replace(source, place):
    calls.append(place)
    if len(calls) > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    put(source, place)
os.replace = replace
path, root, numbers = Path(sys.argv[1]), sys.argv[2], range(1, 1000)
change_texts(path, root, ".txt", numbers, Replace("fox", "cat"), style=None, number=None)
"""
# Makes a file system of its own with the folder in it, leaves so many KB free, and changes all texts there:
# once, then with room for it, then back.
FULL_DISK = """
mount -t tmpfs -o size=3m none "$1" && cp -r "$2" "$1/data" && cd "$1" || exit 9
look() {
  cat data/*.txt | sort | uniq -c
  find data -size 0 -name '*.txt' -o -name '.joycaption-*'
}
dd if=/dev/zero of=filler bs=4k 2>&-
truncate -s "-$3K" filler
"$4" -c "$5" "$6" "$1/data" change; look
rm filler
echo again
"$4" -c "$5" "$6" "$1/data" change; look
echo back
"$4" -c "$5" "$6" "$1/data" undo; look
"""
ON_FULL_DISK = """
import contextlib, sys
from pathlib import Path
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.review.bulk import change_texts, undo_change
from adapter.dataset.review.changes import Replace
from adapter.errors import LedgerError

path, root = Path(sys.argv[1]), sys.argv[2]
with contextlib.suppress(LedgerError):
    if sys.argv[3] == "change":
        replace = Replace("^a fox$", "a cat" + " snow" * 1900, is_expression=True)
        change_texts(path, root, ".txt", range(1, 1000), replace, style=None, number=None)
    else:
        with contextlib.closing(Ledger.open(ledger_path(root))) as ledger:
            runs = ledger.history.runs()
        for run in runs:
            undo_change(root, run.number, force=False)
"""


def all_numbers(reviewed: Reviewed, query: str = "") -> list[int]:
    with reviewed.index() as index:
        return list(found(index, ItemFilter(query)))


def change(reviewed: Reviewed, what: Change, style: str | None = None) -> Changed:
    reviewed.refresh()
    numbers = all_numbers(reviewed)
    return change_texts(reviewed.path, str(reviewed.root), ".txt", numbers, what, style=style, number=None)


def test_a_change_is_made_to_texts_as_they_are_and_undone_whole(reviewed: Reviewed) -> None:
    """Whatever the index knows; a text of several images once; what becomes empty is no file any more."""
    reviewed.add(a="a fox", b="a fox", c="fox")
    reviewed.image("a.jpg")
    reviewed.refresh()
    (reviewed.root / "b.txt").write_text("two fox cubs")
    numbers = all_numbers(reviewed)
    for what in (AddTags(("sks",)), RemoveTags(("fox", "a fox"))):
        before = reviewed.contents()
        done = change_texts(reviewed.path, str(reviewed.root), ".txt", numbers, what, style=None, number=None)
        assert (done.kept, done.failed) == (0, 0)
        if isinstance(what, AddTags):
            assert reviewed.contents() == {
                "a.txt": "a fox, sks",
                "b.txt": "two fox cubs, sks",
                "c.txt": "fox, sks",
            }
            assert done.changed == 3
        assert done.change is not None
        undo_change(str(reviewed.root), done.change, force=False)
        assert reviewed.contents() == before
    done = change(reviewed, Replace(r"\A(a )?fox\Z", "", is_expression=True))
    assert reviewed.contents() == {"b.txt": "two fox cubs"}
    assert set(reviewed.items("fox")) == {"b.png"}


def test_a_text_of_a_run_that_is_changed_counts_as_edited(reviewed: Reviewed) -> None:
    """And one that was found counts as somebody's own, so that no run replaces it."""
    reviewed.add(a="a fox", b="a fox")
    with reviewed.ledger() as ledger:
        ledger.record([Entry("a.txt", "a.png", "", WRITTEN, hash=content_hash(b"a fox"))])
    change(reviewed, AddTags(("sks",), first=True))
    with reviewed.ledger() as ledger:
        known = ledger.lookup(["a.txt", "b.txt"])
    assert known["a.txt"].hash == content_hash(b"a fox")
    assert (known["b.txt"].state, known["b.txt"].hash) == (WRITTEN, None)
    assert {item.texts[0].state for item in reviewed.items().values()} == {"edited"}


def test_parts_of_a_change_have_one_number(reviewed: Reviewed) -> None:
    """So that they are undone together; a part that changes nothing has none."""
    reviewed.add(a="a fox", b="a fox", c="a cat")
    reviewed.refresh()
    whole = Changed()
    for number in all_numbers(reviewed):
        part = change_texts(
            reviewed.path,
            str(reviewed.root),
            ".txt",
            [number],
            Replace("fox", "dog"),
            style=None,
            number=whole.change,
        )
        whole.add(part)
    assert (whole.changed, whole.change) == (2, 1)
    assert undo_change(str(reviewed.root), 1, force=False).restored == 2
    with pytest.raises(InvalidRequestError):
        undo_change(str(reviewed.root), 7, force=False)


def test_texts_that_cannot_be_changed_are_told(reviewed: Reviewed, tmp_path: Path) -> None:
    """Links, what isn't UTF-8, and what would become too long; the rest is changed."""
    for name in ("link", "bytes", "long", "vanished"):
        reviewed.add(**{name: "a fox"})
    reviewed.add(good="a fox")
    (reviewed.root / "bytes.txt").write_bytes(b"a fox \xff")
    (reviewed.root / "long.txt").write_text("fox " * 200)
    reviewed.refresh()
    (reviewed.root / "link.txt").unlink()
    (tmp_path / "outside.txt").write_text("a fox")
    (reviewed.root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (reviewed.root / "vanished.txt").unlink()
    done = change_texts(
        reviewed.path,
        str(reviewed.root),
        ".txt",
        all_numbers(reviewed),
        Replace("fox", "x" * 9000),
        style=None,
        number=None,
    )
    assert (done.changed, done.failed) == (1, 3)
    assert {path for path, _ in done.problems} == {"link.txt", "bytes.txt", "long.txt"}
    assert (tmp_path / "outside.txt").read_text() == "a fox"
    assert (reviewed.root / "bytes.txt").read_bytes() == b"a fox \xff"


def test_a_preview_shows_what_a_change_would_do(reviewed: Reviewed) -> None:
    """From any place on, few of long texts; nothing is changed."""
    reviewed.add(**{f"t{number}": f"a fox {number}" for number in range(10)}, none="a cat")
    reviewed.refresh()
    numbers = all_numbers(reviewed)
    what = Replace("fox", "dog")
    shown = preview_change(reviewed.path, numbers, what, style=None, first=8, count=5)
    assert (shown.count, shown.changes) == (
        10,
        (("t8.txt", "a fox 8", "a dog 8"), ("t9.txt", "a fox 9", "a dog 9")),
    )
    assert "a fox 3" in reviewed.contents().values()
    long = Replace("fox", "x" * 10_000)
    for number in range(4):
        (reviewed.root / f"t{number}.txt").write_text("fox " * 250)
    reviewed.refresh()
    shown = preview_change(reviewed.path, numbers, long, style=None, first=0, count=500)
    assert (shown.count, len(shown.changes)) == (10, 2)
    with pytest.raises(WrongFieldError):
        preview_change(
            reviewed.path, numbers, Replace("(" * 3, is_expression=True), style=None, first=0, count=5
        )


@pytest.mark.parametrize("after", [0, 1, TEXTS // 2, TEXTS - 1])
def test_a_change_that_is_killed_is_undone_whole(reviewed: Reviewed, after: int) -> None:
    """By the command, which takes the last one."""
    reviewed.add(**{f"t{number}": "a fox" for number in range(TEXTS)})
    reviewed.refresh()
    script = [sys.executable, "-c", KILLED, str(reviewed.path), str(reviewed.root), str(after)]
    killed = subprocess.run(script, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(reviewed.contents().values()).count("a cat") == after
    with reviewed.ledger() as ledger:
        undone = undo(ledger, str(reviewed.root))
    assert (undone.restored, undone.kept, undone.failed) == (TEXTS, 0, 0)
    assert set(reviewed.contents().values()) == {"a fox"}
    assert not list(reviewed.root.glob(".joycaption-*"))
    reviewed.refresh()
    assert len(reviewed.items("fox")) == TEXTS


@pytest.mark.parametrize("free_kb", [0, 20, 150, 350])
def test_a_full_disk_leaves_each_text_whole(reviewed: Reviewed, tmp_path: Path, free_kb: int) -> None:
    """As it was or as it is to be, and all of them can be put back."""
    reviewed.add(**{f"t{number}": "a fox\n" for number in range(TEXTS)})
    reviewed.refresh()
    (tmp_path / "disk").mkdir()
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    script = [*alone, "bash", "-c", FULL_DISK, "script", str(tmp_path / "disk"), str(reviewed.root)]
    ended = subprocess.run(
        [*script, str(free_kb), sys.executable, ON_FULL_DISK, str(reviewed.path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.stderr == ""
    first, _, rest = ended.stdout.partition("again\n")
    again, _, back = rest.partition("back\n")
    new = "a cat" + " snow" * 1900
    for line in first.splitlines():
        assert line.split(maxsplit=1)[1] in ("a fox", new), first
    assert sum(int(line.split()[0]) for line in first.splitlines()) == TEXTS
    assert [line.split(maxsplit=1) for line in again.splitlines()] == [[str(TEXTS), new]]
    assert [line.split(maxsplit=1) for line in back.splitlines()] == [[str(TEXTS), "a fox"]]
