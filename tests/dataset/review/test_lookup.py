"""What an index knows, as it is counted and chosen."""

from dataclasses import replace

import pytest

from adapter.dataset.records import Failure
from adapter.dataset.review.item_filter import ItemFilter, Sort, State
from adapter.dataset.review.lookup import found, items, number_of_item, summary
from adapter.dataset.review.sightings import ReadText, SeenItem, SeenText
from adapter.errors import FileMissingError
from tests.reviewed import Reviewed


def fill(reviewed: Reviewed) -> None:
    """Notes an image for each state."""
    texts = {
        "written": ReadText("written.txt", 1, 5, b"1", "a b c", state="written", clip_tokens=70),
        "edited": ReadText("edited.txt", 1, 4, b"2", "a b c", state="edited", clip_tokens=300),
        "found": ReadText("found.txt", 1, 3, b"3", "a", state="found", flaws="loop leak", weight=2),
        "soft": ReadText("soft.txt", 1, 2, b"4", "a", state="found", flaws="leak", weight=1),
        "accepted": ReadText("accepted.txt", 1, 1, b"5", "a", state="found", flaws="loop", is_accepted=True),
        "unreadable": ReadText("unreadable.txt", 1, 1, problem="It is a link"),
        "empty": ReadText("empty.txt", 0, 1),
    }
    texts["accepted"] = replace(texts["accepted"], weight=2)
    with reviewed.index() as index:
        seen = [
            SeenItem(f"{name}.png", 1, 1, (SeenText("", f"{name}.txt", 1, 1),)) for name in (*texts, "unread")
        ]
        index.take(1, [*seen, SeenItem("none.png", 1, 1), SeenItem("failed.png", 1, 1)])
        index.put(list(texts.values()))
        failures = {"failed": "not_an_image", "none": "bad_caption"}
        index.put_failures(
            [(f"{name}.png", Failure("", "", code, "", 1.0)) for name, code in failures.items()]
        )


def names(reviewed: Reviewed, meant: ItemFilter) -> list[str]:
    with reviewed.index() as index:
        return [item.key.removesuffix(".png") for item in items(index, found(index, meant))]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.NONE, ["empty", "failed", "none"]),
        (State.WRITTEN, ["written"]),
        (State.EDITED, ["edited"]),
        (State.FOUND, ["accepted", "found", "soft"]),
        (State.FLAWED, ["found", "soft"]),
        (State.FAILED, ["failed"]),
        (State.REFUSED, ["none"]),
        (State.UNREADABLE, ["unreadable"]),
    ],
)
def test_a_state_chooses_as_many_as_it_counts(reviewed: Reviewed, state: State, expected: list[str]) -> None:
    """A text that isn't read yet is in none of them."""
    fill(reviewed)
    assert names(reviewed, ItemFilter(state=state)) == expected
    with reviewed.index() as index:
        assert summary(index).states[state.value] == len(expected)


def test_items_are_chosen_by_flaw_length_and_order(reviewed: Reviewed) -> None:
    """What somebody accepted has no flaws."""
    fill(reviewed)
    assert names(reviewed, ItemFilter(flaw="loop")) == ["found"]
    assert names(reviewed, ItemFilter(over=69)) == ["edited", "written"]
    assert names(reviewed, ItemFilter(over=70)) == ["edited"]
    assert names(reviewed, ItemFilter(same=b"2".hex())) == ["edited"]
    assert names(reviewed, ItemFilter(style="other")) == []
    assert names(reviewed, ItemFilter(sort=Sort.FLAWED))[:3] == ["found", "soft", "accepted"]
    assert names(reviewed, ItemFilter(sort=Sort.LONGEST))[:2] == ["edited", "written"]
    assert names(reviewed, ItemFilter(sort=Sort.NEWEST))[:3] == ["written", "edited", "found"]


def test_summary_counts_kinds_lengths_and_what_is_unread(reviewed: Reviewed) -> None:
    """Flaws of accepted texts don't count."""
    fill(reviewed)
    with reviewed.index() as index:
        counted = summary(index)
    assert (counted.images, counted.texts, counted.unread) == (10, 8, 1)
    assert counted.kinds == {"leak": 2, "loop": 1}
    assert counted.styles == {"": 8}
    assert max(counted.over.values()) == 1


def test_items_that_are_gone_are_left_out(reviewed: Reviewed) -> None:
    """A key that isn't there is an error."""
    fill(reviewed)
    with reviewed.index() as index:
        number = number_of_item(index, "written.png")
        assert [item.key for item in items(index, [99999, number, -1])] == ["written.png"]
        with pytest.raises(FileMissingError):
            number_of_item(index, "../written.png")
