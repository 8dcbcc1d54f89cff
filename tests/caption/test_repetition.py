"""What a text says again and again."""

import random
import string

import pytest

from adapter.caption.flaws import Form
from adapter.caption.repetition import MAX_PERIOD_WORDS, loop, tag_loop

RANDOM = random.Random(0)
WORDS = ["".join(RANDOM.choices(string.ascii_lowercase, k=6)) for _ in range(200)]


@pytest.mark.parametrize("period", [1, 2, 3, 7, 20, 50, MAX_PERIOD_WORDS])
def test_loop_finds_three_copies_of_any_period(period: int) -> None:
    """Wherever they stand, and with a text behind them; two copies are none."""
    part = " ".join(WORDS[:period])
    copies = max(3, -(-9 // period))
    text = f"A fox. {f'{part}. ' * copies}The end."
    place = loop(text, Form.PROSE)
    assert place is not None
    assert text[place[0] :].startswith(part)
    twice = f"{' '.join(WORDS[60:130])} {part} {part} {' '.join(WORDS[130:])}"
    assert period > 20 or loop(twice, Form.PROSE) is None


def test_loop_finds_what_drifts() -> None:
    """A count that climbs is a loop, and so is a phrase that comes again between others."""
    counting = " ".join(f"There are {number} birds in the sky." for number in range(1, 9))
    assert loop(counting, Form.PROSE)
    between = " ".join(f"The light is soft and very warm on the {word}." for word in WORDS[:9])
    assert loop(between, Form.PROSE)


def test_loop_leaves_places_in_a_picture_alone() -> None:
    """Good captions repeat such phrases, but not in a row."""
    places = " ".join(
        f"On the {side} side of the image there is a {thing} that is made of {stuff}."
        for side, thing, stuff in [
            ("left", "chair", "dark oak"),
            ("right", "table with four legs", "brushed steel and glass"),
            ("far", "shelf full of old books", "painted pine"),
        ]
    )
    assert loop(places, Form.PROSE) is None


def test_tag_loop_counts_tags_that_come_again() -> None:
    """Tags that share a word are different ones; spelling and blanks make none."""
    tags = [f"tag_{word}" for word in WORDS[:20]]
    assert tag_loop(", ".join(tags), Form.TAGS) is None
    assert tag_loop(", ".join([*tags, *tags[:3]]), Form.TAGS) is None, "a few may come twice"
    text = ", ".join([*tags, *(tag.replace("_", " ").upper() for tag in tags[:6])])
    place = tag_loop(text, Form.TAGS)
    assert place is not None
    assert text[place[0] :].strip().startswith("TAG ")
    assert tag_loop(text, Form.PROSE) is None
    assert tag_loop(", ".join(["hat"] * 5), Form.TAGS) is None, "too few to tell"


def test_tag_loop_finds_a_count_that_climbs() -> None:
    """A few numbers are good tags."""
    tags = [f"tag_{word}" for word in WORDS[:60]]
    assert tag_loop(", ".join([*tags, *(f"{number}girls" for number in range(2, 12))]), Form.TAGS)
    assert tag_loop(", ".join([*tags, "1girl", "2boys", "3girls", "4girls"]), Form.TAGS) is None
