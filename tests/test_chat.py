"""Requests to arguments and replies to captions."""

import pytest
from openai.types.chat import ChatCompletion

from adapter.chat import AnswerText, CaptionRequest, SamplingParameters, to_arguments, to_caption, to_text
from adapter.errors import EngineError
from adapter.prompts import PromptBook
from adapter.sources import ImageFile
from tests.fake_engine import completion


def test_to_arguments_has_one_system_and_one_user_turn(book: PromptBook) -> None:
    """And the book's sampling where none is given."""
    arguments = to_arguments(CaptionRequest.build(ImageFile("/x"), "Say.", book), "data:x", "model")
    assert [message["role"] for message in arguments["messages"]] == ["system", "user"]
    assert (arguments["model"], arguments["temperature"], arguments["max_tokens"]) == ("model", 0.6, 256)


def test_arguments_of_greedy_sampling_cut_nothing() -> None:
    """A temperature of 0 alone decides."""
    arguments = SamplingParameters(0.0, 0.5, 3, 10).arguments()
    assert (arguments["top_p"], arguments["top_k"]) == (1.0, -1)


def test_to_caption_strips_the_text() -> None:
    """As the model card does."""
    caption = to_caption(ChatCompletion.model_validate(completion(" A cat.\n", "length")))
    assert caption.text == "A cat."
    assert caption.finish_reason == "length"
    assert (caption.prompt_tokens, caption.completion_tokens) == (100, 5)


@pytest.mark.parametrize("choices", [[], completion(None)["choices"]])
def test_to_caption_without_text_is_an_error(choices: list[object]) -> None:
    """Never a caption of nothing."""
    with pytest.raises(EngineError):
        to_caption(ChatCompletion.model_validate(completion("x") | {"choices": choices}))


@pytest.mark.parametrize(
    ("answer", "trigger", "expected"),
    [
        (" A cat. \n", "", "A cat."),
        ("A cat.", "sks", "sks, A cat."),
        ("sks, a cat", "sks", "sks, a cat"),
        ("\nSKS a cat", " sks ", "sks a cat"),
        ("sks", "sks", "sks"),
        ("sk", "sks", "sks, sk"),
        ("sksy cat", "sks", "sks, sksy cat"),
        ("red_circle", "red", "red, red_circle"),
        ("a  b\n\nc ", "", "a  b\n\nc"),
        ("", "sks", ""),
        (" \n", "sks", ""),
    ],
)
def test_text_is_stripped_and_has_its_trigger_first(answer: str, trigger: str, expected: str) -> None:
    """Not twice, and never on its own; the same in pieces of any size."""
    assert to_text(answer, trigger) == expected
    for size in (1, 2, 3):
        text = AnswerText(trigger)
        pieces = [text.push(answer[n : n + size]) for n in range(0, len(answer), size)]
        assert "".join(pieces) + text.end() == expected


def test_text_is_given_as_soon_as_it_is_sure() -> None:
    """Held back is only what may be the trigger, or blanks at the end."""
    text = AnswerText("sks")
    assert [text.push(piece) for piece in ("s", "k", "y", " ", "x")] == ["", "", "sks, sky", "", " x"]
