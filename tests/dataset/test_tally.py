"""Counting what happens in a run."""

from adapter.dataset.events import (
    CaptioningBegan,
    EngineAway,
    EngineBack,
    TextEdited,
    TextFailed,
    TextSkipped,
    TextWritten,
)
from adapter.dataset.records import Failure
from adapter.dataset.tally import MAX_EXAMPLES, Tally
from tests.datasets import answer_of


def test_take_counts_each_kind_of_event() -> None:
    """It counts texts, tokens, reasons, and the time without an engine."""
    tally = Tally()
    for event in (
        CaptioningBegan("model"),
        TextWritten("a.png", answer_of("a cat")),
        TextWritten("b.png", answer_of("a c", "length")),
        TextSkipped("c.png"),
        TextEdited("d.png"),
        TextFailed(Failure("e.png", "e.txt", "write", "full", 0.0)),
        EngineAway(),
        EngineBack(2.5),
    ):
        tally.take(event)
    assert (tally.done, tally.cut, tally.skipped, tally.edited, tally.failed) == (2, 1, 1, 1, 1)
    assert (tally.prompt_tokens, tally.completion_tokens) == (20, 10)
    assert tally.settled == 5
    assert tally.resting_s == 2.5
    assert tally.as_dict()["failures"] == {"write": {"count": 1, "examples": ["e.png: full"]}}
    assert tally.as_dict()["first_caption_s"] is not None


def test_the_rate_leaves_out_the_time_without_an_engine() -> None:
    """It says how fast it goes when it goes."""
    tally = Tally(done=20, resting_s=5)
    tally.started -= 10
    assert 3.9 < tally.rate < 4.1


def test_the_clock_stands_still_after_the_end() -> None:
    """However late somebody looks."""
    tally = Tally(done=20)
    tally.started -= 10
    tally.end()
    assert tally.ended is not None
    assert tally.seconds == tally.ended - tally.started
    assert tally.rate == tally.rate


def test_fail_keeps_a_few_examples_of_each_reason() -> None:
    """The ledger has all of them."""
    tally = Tally()
    for number in range(MAX_EXAMPLES + 5):
        tally.fail(Failure(f"{number}.png", "x", "image_damaged", "damaged", 0.0))
    assert tally.reasons["image_damaged"] == MAX_EXAMPLES + 5
    assert len(tally.examples["image_damaged"]) == MAX_EXAMPLES


def test_tallies_are_added_up_and_lost_texts_taken_back() -> None:
    """What the engines have written stays counted."""
    whole, part = Tally(), Tally()
    for tally in (whole, part):
        tally.take(TextWritten("a.png", answer_of("a c", "length")))
        tally.fail(Failure("b.png", "x", "image_damaged", "damaged", 0.0, flaws=("loop",)))
    whole.add(part)
    assert (whole.done, whole.failed, whole.cut, whole.completion_tokens) == (2, 2, 2, 10)
    assert whole.refused.as_dict() == {"texts": 2, "kinds": {"loop": 2}}
    assert whole.as_dict()["failures"]["image_damaged"]["count"] == 2
    whole.take_back(part)
    whole.take_back(part)
    assert (whole.done, whole.failed, whole.completion_tokens) == (0, 0, 10)
    assert not whole.as_dict()["failures"]
