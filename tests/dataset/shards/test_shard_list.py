"""Which shards are meant."""

from pathlib import Path

import pytest

from adapter.dataset.inputs.share import Share
from adapter.dataset.shards.shard_list import expanded, find_shards
from adapter.errors import InvalidRequestError


def stems(*names: str, share: Share | None = None) -> list[str]:
    return [shard.stem for shard in find_shards(names, share)]


def test_ranges_count_with_the_zeros_of_their_beginning() -> None:
    """As in WebDataset's names; several multiply."""
    assert list(expanded("a{08..11}.tar")) == ["a08.tar", "a09.tar", "a10.tar", "a11.tar"]
    assert list(expanded("{0..1}/{8..9}.tar")) == ["0/8.tar", "0/9.tar", "1/8.tar", "1/9.tar"]
    assert list(expanded("{a}.tar")) == ["{a}.tar"]
    for wrong in ("{2..1}.tar", "{0..99999999999}.tar"):
        with pytest.raises(InvalidRequestError, match="count upwards"):
            list(expanded(wrong))


def test_wildcards_stay_within_a_folders_name(tmp_path: Path) -> None:
    """What they match comes sorted, and each shard once."""
    for name in ("b.tar", "a.tar", "c.txt", "d/e.tar", "d/f/g.tar", "[x].parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert stems(f"{tmp_path}/*.tar", f"{tmp_path}/a.tar") == ["a", "b"]
    assert stems(f"{tmp_path}/*/*.tar") == ["e"]
    assert stems(f"{tmp_path}/[ab].tar") == ["a", "b"]
    assert stems(f"{tmp_path}/?.tar") == ["a", "b"]
    for wrong in (f"{tmp_path}/x*.tar", f"{tmp_path}/*.txt"):
        with pytest.raises(InvalidRequestError):
            stems(wrong)


def test_shares_divide_the_shards(tmp_path: Path) -> None:
    """All together have each of them once; more shares than shards are refused."""
    name = f"{tmp_path}/{{0..4}}.tar"
    assert [stems(name, share=Share(index, 2)) for index in (1, 2)] == [["0", "2", "4"], ["1", "3"]]
    with pytest.raises(InvalidRequestError, match="5 of them make no 6 shares"):
        stems(name, share=Share(1, 6))


def test_two_shards_never_have_one_output(tmp_path: Path) -> None:
    """One would replace the other's."""
    with pytest.raises(InvalidRequestError, match="one output"):
        stems(f"{tmp_path}/a.tar", f"{tmp_path}/a.parquet")
