"""How much there is to do in shards."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.decide import Existing
from adapter.dataset.events import ShardDone, ShardLeft
from adapter.dataset.recipe import Recipe
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_counting import counting_shards
from adapter.dataset.shards.shard_list import find_shards
from adapter.dataset.shards.store import place_of
from adapter.dataset.tally import Tally
from tests.datasets import RECIPE
from tests.shards import shade, webdataset, write_parquet
from tests.waiting import until


def order_of(folder: Path, *names: str, recipes: tuple[Recipe, ...] = (RECIPE,)) -> ShardOrder:
    return ShardOrder(
        find_shards([str(folder / name) for name in names]), place_of(str(folder / "out")), Layout(recipes)
    )


async def test_parquet_files_say_how_many_images_they_have(tmp_path: Path) -> None:
    """Each has a text of every style."""
    for name, rows in (("a", 3), ("b", 2)):
        write_parquet(tmp_path / f"{name}.parquet", {"jpg": [shade(1)] * rows})
    tally = Tally()
    with counting_shards(
        order_of(tmp_path, "a.parquet", "b.parquet", recipes=(RECIPE, replace(RECIPE, style="b"))), tally
    ):
        await until(lambda: tally.total is not None)
    assert (tally.total, tally.shards, tally.shards_to_make) == (10, 2, 2)


async def test_tars_have_no_total_but_a_number(tmp_path: Path) -> None:
    """Those without an output are to be made."""
    for name in ("a.tar", "b.tar", "c.tar"):
        (tmp_path / name).write_bytes(webdataset(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.parquet").touch()
    tally = Tally()
    with counting_shards(order_of(tmp_path, "a.tar", "b.tar", "c.tar"), tally):
        await until(lambda: tally.shards_to_make is not None)
    assert (tally.total, tally.shards, tally.shards_to_make) == (None, 3, 2)


@pytest.mark.parametrize(
    ("existing", "retry_failed"), [(Existing.SKIP, True), (Existing.OVERWRITE, False)], ids=str
)
def test_what_only_the_outputs_know_is_not_told(
    tmp_path: Path, existing: Existing, retry_failed: bool
) -> None:
    """Nothing is made up for it."""
    (tmp_path / "a.tar").write_bytes(webdataset(1))
    order = replace(order_of(tmp_path, "a.tar"), existing=existing, retry_failed=retry_failed)
    tally = Tally()
    with counting_shards(order, tally):
        tally.take(ShardDone("a.parquet", 1, 0))
    assert (tally.shards, tally.shards_to_make, tally.remaining_s) == (1, None, None)


def test_time_goes_by_shards_once_one_was_made() -> None:
    """Those that were there before cost none."""
    tally = Tally(shards=10, shards_to_make=5)
    tally.started -= 20
    tally.take(ShardLeft("a.tar", 7, 0, ""))
    assert tally.remaining_s is None
    for _ in range(2):
        tally.take(ShardDone("b.parquet", 1, 0))
    assert tally.remaining_s == pytest.approx(30, abs=1)
    tally.started -= 10
    assert tally.remaining_s == pytest.approx(20, abs=1)
    tally.started += 10
    assert (tally.shards_done, tally.skipped) == (3, 7)
    tally.total, tally.done = 9, 1
    assert tally.remaining_s == pytest.approx(20, abs=1)
