"""A shard's output: rows, parts, and the whole file."""

from pathlib import Path

import pytest

from adapter.dataset.shards.row_layout import About, Layout, to_file
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_output import ShardOutput
from adapter.dataset.shards.store import place_of
from adapter.errors import NotAnImageError, StoreError
from tests.datasets import RECIPE, answer_of
from tests.shards import rows, write_parquet

LAYOUT = Layout([RECIPE])


def output_in(folder: Path) -> ShardOutput:
    shard = Shard(place_of(str(folder / "a.tar")))
    about = About(shard.name, LAYOUT.settings)
    return ShardOutput(shard, place_of(str(folder / "out")), LAYOUT, about)


def add(output: ShardOutput, key: str, text: str) -> None:
    output.begin()
    output.take({"key": key} | LAYOUT.cells(RECIPE, answer_of(text)), {"model"})


def test_an_output_is_whole_when_all_that_was_begun_has_come(tmp_path: Path) -> None:
    """And no more will be begun."""
    output = output_in(tmp_path)
    output.begin()
    assert not output.is_whole
    output.end()
    assert not output.is_whole
    output.take(LAYOUT.failed_row("a", NotAnImageError("No")), set())
    assert output.is_whole


def test_parts_are_merged_and_removed_at_the_end(tmp_path: Path) -> None:
    """A caption isn't replaced by a failure; otherwise the later one counts."""
    first = output_in(tmp_path)
    add(first, "a", "one")
    first.add(LAYOUT.failed_row("b", NotAnImageError("No")))
    assert first.waiting == 1
    first.write_part()
    first.write_part()
    assert first.waiting == 0
    second = output_in(tmp_path)
    (part,) = second.parts()
    second.keep(part)
    assert {key: bool(row) for key, row in second.known().items()} == {"a": False, "b": True}
    second.add(LAYOUT.failed_row("a", NotAnImageError("No")))
    add(second, "b", "two")
    second.end("cut")
    about = second.finish()
    assert (about.rows, about.failed, about.models, about.incomplete) == (2, 0, ("model",), "cut")
    found = rows(tmp_path / "out/a.parquet")
    assert {key: row["caption"] for key, row in found.items()} == {"a": "one", "b": "two"}
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["a.parquet"]
    assert second.found() is not None


def test_rows_that_can_not_be_written_stay(tmp_path: Path) -> None:
    """They go into the next part."""
    output = output_in(tmp_path)
    add(output, "a", "one")
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(StoreError, match="can't be written"):
        output.write_part()
    assert output.waiting == 1
    output.end()
    with pytest.raises(StoreError):
        output.finish()
    assert output.waiting == 1
    (tmp_path / "out").unlink()
    assert output.finish().rows == 1


def test_a_file_with_other_columns_is_not_kept(tmp_path: Path) -> None:
    """Somebody changed it, and left what it says of itself."""
    (tmp_path / "out").mkdir()
    output = output_in(tmp_path)
    write_parquet(tmp_path / "out/a.parquet", {"key": ["a"]})
    foreign = output.found()
    assert foreign is not None
    assert foreign.about is None
    about = About("a.tar", LAYOUT.settings)
    output.place.write(to_file(LAYOUT.table([{"key": "a"}]).select(["key"]), about))
    found = output.found()
    assert found is not None
    assert found.about == about
    with pytest.raises(StoreError):
        output.keep(found)
