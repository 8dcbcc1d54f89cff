"""What is asked of the model, and the arguments that the engine gets for it."""

import orjson
import pytest

from adapter.caption.prompts import PromptBook
from adapter.caption.request import CaptionRequest, Message, question, to_arguments, to_messages

URL = "data:image/bmp;base64,AAAA"


def test_question_has_one_system_and_one_user_turn_with_the_image() -> None:
    """The model was trained on this conversation."""
    assert question("Say.", "You are.") == (
        Message("system", "You are."),
        Message("user", "Say.", has_image=True),
    )


def test_to_messages_puts_the_image_before_its_text() -> None:
    """Only the turn that has the image holds parts; the other contents stay strings."""
    conversation = (
        *question("Say.", "You are."),
        Message("assistant", "A cat."),
        Message("user", "Which?"),
    )
    assert to_messages(conversation, URL) == [
        {"role": "system", "content": "You are."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": URL}},
                {"type": "text", "text": "Say."},
            ],
        },
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Which?"},
    ]


@pytest.mark.parametrize("url", [URL, orjson.Fragment(f'"{URL}"')])
def test_to_arguments_holds_model_messages_and_every_sampling_value(book: PromptBook, url: object) -> None:
    """The image's URL may be a string, or JSON that is written already."""
    request = CaptionRequest(question("Say.", book.system_prompt), book.default_sampling)
    arguments = orjson.loads(orjson.dumps(to_arguments(request, url, "model")))
    assert [message["role"] for message in arguments["messages"]] == ["system", "user"]
    assert arguments["messages"][0]["content"] == book.system_prompt
    assert arguments["messages"][1]["content"][0]["image_url"]["url"] == URL
    assert (arguments["model"], arguments["temperature"], arguments["max_tokens"]) == ("model", 0.6, 256)
    assert set(book.default_sampling.arguments()) < set(arguments)


def test_prompt_of_a_conversation_is_what_was_said_last(book: PromptBook) -> None:
    """Logs name a request by it."""
    conversation = (*question("Say.", "You are."), Message("assistant", "A cat."), Message("user", "Which?"))
    assert CaptionRequest(conversation, book.default_sampling).prompt == "Which?"


def test_trigger_is_no_part_of_what_the_engine_is_asked(book: PromptBook) -> None:
    """The trigger is put in front of the answer, and the model never sees it."""
    plain = CaptionRequest(question("Say.", "You are."), book.default_sampling)
    triggered = CaptionRequest(plain.messages, plain.sampling, trigger="sks")
    assert to_arguments(triggered, URL, "model") == to_arguments(plain, URL, "model")
