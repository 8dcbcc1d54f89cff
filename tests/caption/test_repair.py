"""What is left of a text that looped or was cut."""

import pytest

from adapter.caption.brief import Brief
from adapter.caption.flaws import Form
from adapter.caption.quality import judge
from adapter.caption.repair import repaired

FOX = "A photograph of a red fox that stands in deep snow, seen from the front."
FUR = "Its thick fur, of 3.5 cm or so, is lit from the left by a low sun, and its breath hangs in the air."
TAGS = "1girl, solo, long_hair, blue_eyes, blue_hair, smile, outdoors, sky, cloud, hat"


def mended(text: str, form: Form | None, reason: str = "stop") -> str | None:
    """Gives the text as it is after judging and repair."""
    return repaired(text, judge(text, Brief(form), reason), Brief(form))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{FOX} {FUR} Behind it there are", f"{FOX} {FUR}"),
        (f"{FOX} {FUR} In the centre of Mr. Smith's", f"{FOX} {FUR}"),
        (f'{FOX} The sign says "Stop!" and "Go', f"{FOX}"),
        (f'{FOX} It says "Stop!" A man of 1.', f'{FOX} It says "Stop!" A man of 1.'),
        (f"{FOX} {FUR}\n\n- a tree\n- a lake\n- a sto", f"{FOX} {FUR}\n\n- a tree\n- a lake"),
    ],
)
def test_repaired_of_a_cut_text_ends_with_its_last_whole_sentence(text: str, kept: str) -> None:
    """Neither a number's point nor an abbreviation's ends one."""
    assert mended(text, Form.PROSE, "length") == kept


def test_repaired_of_a_loop_keeps_its_first_round() -> None:
    """And no half sentence before it."""
    assert mended(f"{FOX} {FUR}" + " The sky is grey." * 12, Form.PROSE) == f"{FOX} {FUR} The sky is grey."
    assert mended(f"{FOX} {FUR} There is" + " a tree and" * 12, Form.PROSE) == f"{FOX} {FUR}"
    assert mended(f"{FOX} {FUR}" + " \N{HORSE}!" * 60, Form.PROSE, "repetition") == f"{FOX} {FUR} \N{HORSE}!"
    assert mended(TAGS + ", bow, tie" * 9, Form.TAGS) == f"{TAGS}, bow, tie"
    assert mended(FOX + " And snow, ice" * 20, None, "length") == FOX


def test_repaired_of_a_list_keeps_each_tag_once() -> None:
    """Lists that were put together from several have tags twice, and others behind them."""
    twice = "1girl, solo, 1girl, long hair, blue eyes, solo, smile, dress, long hair, hat, sky, cloud, 1girl"
    once = "1girl, solo, long hair, blue eyes, smile, dress, hat, sky, cloud"
    assert mended(twice, Form.TAGS) == once


def test_repaired_leaves_a_text_that_goes_on_behind_its_loop() -> None:
    """A sign may say something again and again; nothing that is good may be lost."""
    text = f"{FOX} The sign says" + " no, no," * 9 + f" in red letters. {FUR} Behind it there is an old barn."
    assert mended(text, Form.PROSE) is None


def test_repaired_of_a_long_planted_text_takes_no_longer_than_reading_it() -> None:
    """None of these full stops ends a sentence; each of them looking at all before it would take hours."""
    text = "Word A. Word K. " * 60_000 + "and"
    assert mended(text, Form.PROSE, "length") is None


def test_repaired_of_cut_tags_drops_the_last_one() -> None:
    """It may be the half of another one."""
    assert mended(f"{TAGS}, red_sc", Form.TAGS, "length") == TAGS
    assert mended(f"{TAGS}, ", Form.TAGS, "length") == TAGS
    assert mended("knight in armor, volumetric light, 85", Form.PROMPT, "length") == (
        "knight in armor, volumetric light"
    )


@pytest.mark.parametrize(
    ("text", "form", "reason"),
    [
        ("I'm sorry, but I can't help with this. " * 9, Form.PROSE, "stop"),
        ("A photograph of a fox that", Form.PROSE, "length"),
        ("the the the the the the the the the the", Form.PROSE, "stop"),
        ("~ " * 90, Form.PROSE, "repetition"),
        ("girl", Form.TAGS, "length"),
        (f"{FOX} {FUR}", Form.PROSE, "stop"),
    ],
)
def test_repaired_gives_nothing_where_too_little_would_be_left(text: str, form: Form, reason: str) -> None:
    """Nor for other flaws, nor for a good text."""
    assert mended(text, form, reason) is None
