"""Requests to arguments and replies to captions."""

import pytest
from openai.types.chat import ChatCompletion

from adapter.chat import CaptionRequest, SamplingParameters, to_arguments, to_caption
from adapter.errors import EngineError
from adapter.prompts import PromptBook
from tests.fake_engine import completion


def test_to_arguments_has_one_system_and_one_user_turn(book: PromptBook) -> None:
    """And the book's sampling where none is given."""
    arguments = to_arguments(CaptionRequest.build("/x", "Say.", book), "data:x", "model")
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
