"""Ledgers of other runs, above a dataset and in it."""

import contextlib
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.nearby import NearbyLedgers, covering_folder
from adapter.dataset.records import WRITTEN, Entry


def make(folder: Path, *outputs: str) -> None:
    """Makes a ledger in the folder, with these texts."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Ledger.open(ledger_path(str(folder)))) as ledger:
        ledger.record([Entry(output, "x.png", "", WRITTEN, hash=output.encode()) for output in outputs])


def test_covering_folder_is_the_nearest_with_a_ledger(tmp_path: Path) -> None:
    """Without one it is the folder itself; a link isn't believed."""
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    assert covering_folder(str(deep)) == str(deep)
    make(tmp_path / "a")
    assert covering_folder(str(deep)) == str(tmp_path / "a")
    make(tmp_path / "a/b")
    assert covering_folder(str(deep)) == str(tmp_path / "a/b")
    assert covering_folder(str(tmp_path / "a")) == str(tmp_path / "a")


def test_lookup_asks_the_nearest_ledger_below_the_base(tmp_path: Path) -> None:
    """The run's own one is asked elsewhere."""
    make(tmp_path, "a.txt", "sub/b.txt")
    make(tmp_path / "sub", "b.txt", "deep/c.txt")
    places = [str(tmp_path / name) for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "other/d.txt")]
    with contextlib.closing(NearbyLedgers(ledger_path(str(tmp_path)), str(tmp_path))) as nearby:
        found = nearby.lookup(places)
        assert nearby.lookup(places) == found
    assert {place: entry.hash for place, entry in found.items()} == {
        places[1]: b"b.txt",
        places[2]: b"deep/c.txt",
    }


def test_lookup_of_a_ledger_elsewhere_asks_those_of_the_datasets(tmp_path: Path) -> None:
    """Edits that one ledger knows of aren't lost to a run with another one."""
    make(tmp_path / "data", "sub/b.txt")
    place = str(tmp_path / "data/sub/b.txt")
    with contextlib.closing(NearbyLedgers(tmp_path / "else/ledger.sqlite", None)) as nearby:
        assert nearby.lookup([place])[place].hash == b"sub/b.txt"


def test_lookup_passes_over_a_ledger_that_can_not_be_read(tmp_path: Path) -> None:
    """It may have come with the dataset."""
    make(tmp_path)
    (tmp_path / "sub/.joycaption").mkdir(parents=True)
    (tmp_path / "sub/.joycaption/ledger.sqlite").write_text("no database" * 100)
    with contextlib.closing(NearbyLedgers(ledger_path(str(tmp_path)), str(tmp_path))) as nearby:
        assert nearby.lookup([str(tmp_path / "sub/b.txt")]) == {}
