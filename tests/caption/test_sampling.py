"""The values that go with each request to the engine."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from adapter.caption.sampling import NO_TOP_K, Sampling

BOOK = Sampling(temperature=0.6, top_p=0.9, max_tokens=256, top_k=40)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"temperature": None, "top_k": None, "seed": None}, {}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"top_k": 0}, {"top_k": 0}),
        ({"top_k": 7, "top_p": None}, {"top_k": 7}),
        ({"seed": 0, "stop": ("x",), "n": 2}, {"seed": 0, "stop": ("x",), "n": 2}),
        ({"max_tokens": 3, "repetition_penalty": 1.1}, {"max_tokens": 3, "repetition_penalty": 1.1}),
    ],
)
def test_overridden_when_values_are_given_replaces_just_those(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """None stands for a value that isn't given; 0 is a value like any other."""
    assert BOOK.overridden(**given) == replace(BOOK, **expected)


def test_overridden_with_a_top_k_of_zero_turns_off_the_books() -> None:
    """A client can ask for no cut at all, also where the book has one."""
    assert BOOK.arguments()["top_k"] == 40
    assert BOOK.overridden(top_k=0).arguments()["top_k"] == NO_TOP_K
    assert BOOK.overridden(top_k=None).arguments()["top_k"] == 40


def test_overridden_leaves_the_original_as_it_was() -> None:
    """The book's values serve every request, so none of them may change."""
    BOOK.overridden(temperature=1.5)
    assert BOOK.temperature == 0.6
    with pytest.raises(FrozenInstanceError):
        BOOK.temperature = 1.0  # type: ignore[misc]


def test_overridden_with_an_unknown_name_is_a_bug() -> None:
    """A face that uses another name for a value finds out at once."""
    with pytest.raises(TypeError):
        BOOK.overridden(max_new_tokens=5)


def test_arguments_when_greedy_cut_nothing() -> None:
    """A temperature of 0 alone decides."""
    arguments = BOOK.overridden(temperature=0.0, top_p=0.5, top_k=10).arguments()
    assert (arguments["top_p"], arguments["top_k"]) == (1.0, NO_TOP_K)


def test_arguments_name_every_value() -> None:
    """Nothing depends on the engine's own defaults, which its model's files may set."""
    assert Sampling(temperature=0.6, top_p=0.9, max_tokens=256).arguments() == {
        "temperature": 0.6,
        "top_p": 0.9,
        "max_tokens": 256,
        "top_k": NO_TOP_K,
        "seed": None,
        "n": 1,
        "stop": (),
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "top_logprobs": None,
        "logprobs": False,
        "skip_special_tokens": True,
    }


@pytest.mark.parametrize(("top_logprobs", "asked"), [(None, False), (0, True), (5, True)])
def test_arguments_with_top_logprobs_ask_for_log_probabilities(top_logprobs: int | None, asked: bool) -> None:
    """A 0 asks for those of the chosen tokens alone, and None for none."""
    arguments = BOOK.overridden(top_logprobs=top_logprobs).arguments()
    assert (arguments["logprobs"], arguments["top_logprobs"]) == (asked, top_logprobs)
