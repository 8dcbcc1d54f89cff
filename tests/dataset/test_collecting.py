"""What is known of images, from whichever place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.dataset.collecting import CHUNK, Collected, collected
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.dataset.selection import Dataset, Selection, open_datasets
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.own_text import own_hash

NUMBER = CHUNK + 1


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Dataset]:
    """Opens a metadata file, of whose rows the first has a text, as a dataset."""
    rows = ['{"file_name": "0.png", "text": "own", "n": 0}']
    rows += [f'{{"file_name": "{number}.png", "n": {number}}}' for number in range(1, NUMBER)]
    (tmp_path / "m.jsonl").write_text("\n".join(rows))
    with open_datasets(Selection([str(tmp_path / "m.jsonl")], text_column="text")) as (dataset,):
        yield dataset


def texts(dataset: Dataset) -> list[str | None]:
    """Gives the texts that are collected, None for a row without one."""
    return [one.given.get("") for one in collected([dataset], [""], TextsInLedger())]


def written(number: int, text: str, previous: str | None = None) -> Entry:
    """Gives a run's text, in the place of the `previous` one."""
    name = f"{number}.png"
    before = None if previous is None else own_hash(previous)
    return Entry(name, name, "", WRITTEN, hash=own_hash(text), text=text, previous_hash=before)


def test_all_rows_come_in_their_order_with_what_is_known(tmp_path: Path, listed: Dataset) -> None:
    """Also those without a text, because their columns are somebody's."""
    listed.ledger.record([written(NUMBER - 1, "ours")])
    found = list(collected([listed], [""], TextsInLedger()))
    assert [one.columns and one.columns["n"] for one in found] == list(range(NUMBER))
    assert found[0] == Collected(
        listed, str(tmp_path / "0.png"), {"": "own"}, {"file_name": "0.png", "text": "own", "n": 0}
    )
    assert texts(listed) == ["own", *[None] * (NUMBER - 2), "ours"]


def test_own_texts_stay_but_where_a_run_has_replaced_them(tmp_path: Path, listed: Dataset) -> None:
    """A text that somebody changed since is his."""
    listed.ledger.record([written(0, "ours")])
    assert texts(listed)[0] == "own"
    listed.ledger.record([written(0, "ours", previous="own")])
    assert texts(listed)[0] == "ours"
    (tmp_path / "m.jsonl").write_text('{"file_name": "0.png", "text": "changed"}')
    assert texts(listed) == ["changed"]


def test_what_failed_is_tried_again_with_what_its_row_says(listed: Dataset) -> None:
    """Only so it is known which text the new one replaces. What no row names isn't tried."""
    listed.ledger.record([], [Failure(name, name, "x", "x", 1.0) for name in ("0.png", "unnamed.png")])
    assert [(item.key, item.text) for item in listed.failed_items()] == [("0.png", "own")]
