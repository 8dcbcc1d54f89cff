"""One place under several names."""

import os
from pathlib import Path

import pytest

from adapter.dataset.shards.same_place import is_same_place
from adapter.dataset.shards.store import place_of
from tests.stores import bucket_url


def test_a_place_here_is_known_by_all_of_its_names(tmp_path: Path) -> None:
    """Links, hard links, other spellings; also while it isn't there."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.tar").touch()
    (tmp_path / "link").symlink_to("data")
    os.link(tmp_path / "data/a.tar", tmp_path / "hard.tar")
    data = place_of(str(tmp_path / "data"))
    for name in ("link", "data/", "link/../data/.", "data/../link"):
        assert is_same_place(data, place_of(f"{tmp_path}/{name}"))
    assert is_same_place(data, place_of(f"file://{tmp_path}/link"))
    assert is_same_place(data.below("a.tar"), place_of(str(tmp_path / "hard.tar")))
    assert is_same_place(data.below("none.tar"), place_of(str(tmp_path / "link/none.tar")))
    assert not is_same_place(data, place_of(str(tmp_path)))
    assert not is_same_place(data.below("a.tar"), place_of(str(tmp_path / "a.tar")))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("data", bucket_url(1, "data/"), True),
        ("data", bucket_url(1, "x/../data"), True),
        ("data", bucket_url(2, "data"), True),
        ("data", bucket_url(1, "new"), False),
        ("data", "/bucket/data", False),
    ],
)
def test_a_place_in_a_store_is_known_by_its_path(one: str, other: str, expected: bool) -> None:
    """The store itself may have several names."""
    assert is_same_place(place_of(bucket_url(1, one)), place_of(other)) is expected
