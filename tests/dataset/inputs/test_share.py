"""Dividing a dataset among machines."""

from pathlib import Path

import pytest

from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.share import Share, SharedInput
from adapter.errors import InvalidRequestError


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shares_divide_all_items_among_them(count: int) -> None:
    """Each item is in one, each has about as many, and items with one sidecar are together."""
    names = [f"folder {n % 13}/{n}.png" for n in range(2000)]
    shares = [Share(index, count) for index in range(1, count + 1)]
    sizes = [sum(share.has(name) for name in names) for share in shares]
    assert sum(sizes) == 2000
    assert min(sizes) > 0.8 * 2000 / count
    for name in names[:50]:
        assert [share.has(name) for share in shares] == [
            share.has(name.replace("png", "jpg")) for share in shares
        ]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "1 / 2"])
def test_parse_of_another_form_says_how_it_is_written(text: str) -> None:
    """A share is a number, a slash, and how many there are."""
    with pytest.raises(InvalidRequestError, match="write 1/4"):
        Share.parse(text)
    assert Share.parse("2/8") == Share(2, 8)


def test_shared_inputs_have_each_item_once(tmp_path: Path) -> None:
    """What isn't in a share can still be named, for its failures to be tried again."""
    for number in range(20):
        (tmp_path / f"{number}.png").touch()
    whole = Folder(str(tmp_path))
    halves = [SharedInput(whole, Share(index, 2)) for index in (1, 2)]
    keys = [item.key for half in halves for item in half.items()]
    assert sorted(keys) == sorted(item.key for item in whole.items())
    assert halves[0].root == whole.root
    assert halves[0].is_countable
    assert halves[0].item("0.png") == whole.item("0.png")
    assert halves[0].has("0.png")
    assert [half.key(str(tmp_path / keys[0])) for half in halves] == [keys[0], None]
    assert halves[0].key("/else/0.png") is None
