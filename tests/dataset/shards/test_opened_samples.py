"""Shards that are open."""

from pathlib import Path

import pytest

from adapter.dataset.shards.opened_samples import open_samples
from adapter.dataset.shards.parquet_samples import Columns
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import place_of
from adapter.errors import InvalidRequestError, StoreError
from tests.shards import shade, tar_of, webdataset, write_parquet


def shard(path: Path) -> Shard:
    return Shard(place_of(str(path)))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_first_image_is_one_of_all(tmp_path: Path, count: int) -> None:
    """Whichever kind of shard it is."""
    (tmp_path / "a.tar").write_bytes(webdataset(count))
    write_parquet(tmp_path / "b.parquet", {"jpg": [shade(number) for number in range(count)]})
    with open_samples(shard(tmp_path / "a.tar"), Columns(), 1000) as samples:
        assert [sample.key for sample in samples] == [f"{number:09}" for number in range(count)]
    if count:
        with open_samples(shard(tmp_path / "b.parquet"), Columns(), 1000) as samples:
            assert [sample.image for sample in samples] == [shade(number) for number in range(count)]


def test_fields_that_are_no_images_of_samples_are_counted(tmp_path: Path) -> None:
    """When the shard is read to its end."""
    (tmp_path / "a.tar").write_bytes(tar_of([("a.png", b"x"), ("a.seg.png", b"x")]))
    with open_samples(shard(tmp_path / "a.tar"), Columns(), 1000) as samples:
        assert (len(list(samples)), samples.others) == (1, 1)


def test_what_can_not_be_opened_is_an_error(tmp_path: Path) -> None:
    """At once, and not when its turn comes."""
    (tmp_path / "a.tar").write_bytes(b"no tar" * 1000)
    for name in ("a.tar", "none.tar"):
        with pytest.raises(StoreError, match=name):
            open_samples(shard(tmp_path / name), Columns(), 1000)
    write_parquet(tmp_path / "b.parquet", {"text": ["x"]})
    with pytest.raises(InvalidRequestError, match="--image-column"):
        open_samples(shard(tmp_path / "b.parquet"), Columns(), 1000)
