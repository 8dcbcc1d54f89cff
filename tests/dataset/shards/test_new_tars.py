"""New tars beside a run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyarrow import fs

from adapter.dataset.events import Event, ShardDone, ShardLeft, TarWritten, TextFailed
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.new_tars import NewTars, check_apart
from adapter.dataset.shards.row_layout import About, Layout, to_file
from adapter.dataset.shards.shard_list import find_shards
from adapter.dataset.shards.store import Place, place_of
from adapter.errors import InvalidRequestError
from tests.datasets import RECIPE
from tests.shards import contents, webdataset

LAYOUT = Layout([RECIPE])
LIMIT_S = 30


def order_in(folder: Path, shards: Sequence[str]) -> ShardOrder:
    """Gives an order for shards, of which each one has a finished output with a caption."""
    output = place_of(str(folder / "out"))
    for name in shards:
        stem = Path(name).stem
        about = About(str(folder / name), LAYOUT.settings)
        rows = [{"key": "000000000", "caption": f"of {stem}"}]
        output.below(f"{stem}.parquet").write(to_file(LAYOUT.table(rows), about))
    return ShardOrder(find_shards([str(folder / name) for name in shards]), output, LAYOUT)


async def made(
    order: ShardOrder, tars: Place, told: Sequence[Event], *, stopped: bool = False
) -> list[Event]:
    """Gives the events of making the tars of shards that are told of."""
    events: list[Event] = []
    new = NewTars(order, tars, 10_000, emit=events.append, should_stop=lambda: stopped)
    async with asyncio.timeout(LIMIT_S), new.being_made():
        for event in told:
            new.take(event)
    return events


async def test_finished_shards_get_their_tars_and_the_others_stay_alone(tmp_path: Path) -> None:
    """Also the one that was left as it is; without an output there is nothing to make one from."""
    for name in "abc":
        (tmp_path / f"{name}.tar").write_bytes(webdataset(1))
    order = order_in(tmp_path, ["a.tar", "b.tar", "c.tar"])
    (tmp_path / "out/c.parquet").unlink()
    tars = place_of(str(tmp_path / "new"))
    told: list[Event] = [ShardDone(order.output.below("a.parquet").shown, 1, 0)]
    told += [ShardLeft(str(tmp_path / f"{name}.tar"), 1, 0, "") for name in "bc"]
    written = [TarWritten(str(tmp_path / f"new/{name}.tar"), 1, 0) for name in "ab"]
    assert await made(order, tars, told, stopped=True) == []
    assert sorted(map(str, await made(order, tars, told))) == sorted(map(str, written))
    assert contents((tmp_path / "new/b.tar").read_bytes())["000000000.txt"] == b"of b"
    assert await made(order, tars, told) == []


async def test_a_shard_that_is_its_own_new_tar_is_never_replaced(tmp_path: Path) -> None:
    """It was made by an earlier run, and its store has another name here."""
    (tmp_path / "a.tar").write_bytes(webdataset(1))
    order = order_in(tmp_path, ["a.tar"])
    told = [ShardLeft(str(tmp_path / "a.tar"), 1, 0, "")]
    await made(order, place_of(str(tmp_path / "new")), told)
    (tmp_path / "new/a.tar").rename(tmp_path / "a.tar")
    before = (tmp_path / "a.tar").read_bytes()
    about = About("a.tar", LAYOUT.settings)
    order.output.below("a.parquet").write(
        to_file(LAYOUT.table([{"key": "000000000", "caption": "other"}]), about)
    )
    alias = Place(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "", "alias:/")
    check_apart(order, alias)
    (failed,) = await made(order, alias, told)
    assert isinstance(failed, TextFailed)
    assert "was not made from this shard" in failed.failure.message
    assert (tmp_path / "a.tar").read_bytes() == before


async def test_a_tar_of_another_shard_is_never_replaced(tmp_path: Path) -> None:
    """Both have one name, in different folders."""
    for name in ("x/a.tar", "y/a.tar"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(webdataset(1))
    tars = place_of(str(tmp_path / "new"))
    for name, expected in (("x/a.tar", TarWritten), ("y/a.tar", TextFailed)):
        order = order_in(tmp_path / name[0], [f"../{name}"])
        (event,) = await made(order, tars, [ShardLeft(order.shards[0].name, 1, 0, "")])
        assert isinstance(event, expected)


async def test_a_broken_output_fails_alone(tmp_path: Path) -> None:
    """The next shard gets its tar."""
    for name in "ab":
        (tmp_path / f"{name}.tar").write_bytes(webdataset(1))
    order = order_in(tmp_path, ["a.tar", "b.tar"])
    (tmp_path / "out/a.parquet").write_bytes(b"PAR1 not")
    told = [ShardLeft(shard.name, 1, 0, "") for shard in order.shards]
    events = await made(order, place_of(str(tmp_path / "new")), told)
    assert sorted(type(event).__name__ for event in events) == ["TarWritten", "TextFailed"]


def test_the_place_of_any_shard_is_refused(tmp_path: Path) -> None:
    """Not only the first one's."""
    for name in ("x/a.tar", "y/b.tar"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(webdataset(1))
    order = order_in(tmp_path, ["x/a.tar", "y/b.tar"])
    check_apart(order, place_of(str(tmp_path / "z")))
    with pytest.raises(InvalidRequestError, match=r"y/b\.tar"):
        check_apart(order, place_of(str(tmp_path / "y")))
