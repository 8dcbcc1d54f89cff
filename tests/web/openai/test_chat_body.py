"""Bodies of chat completions, as clients write them and as they shouldn't."""

from typing import Any

import pytest

from adapter.caption.prompts import PromptBook
from adapter.caption.request import Message
from adapter.errors import CaptionError, InvalidRequestError, ModelNotFoundError
from adapter.web.openai.chat_body import HARMLESS, parse_body
from adapter.web.openai.conversation import Chat, to_chat
from adapter.web.openai.virtual_models import VirtualModels

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CASUAL = "Write a descriptive caption for this image in a casual tone."


def text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def parse(book: PromptBook, *messages: dict[str, Any], **fields: Any) -> Chat:
    whole = {"model": "joycaption", "messages": list(messages)} | fields
    return to_chat(parse_body(whole), book, VirtualModels(book))


def prompt(chat: Chat) -> str:
    """Gives the prompt of the message with the image."""
    (message,) = (message for message in chat.request.messages if message.has_image)
    return message.text


@pytest.mark.parametrize("parts", [(IMAGE, text("Say.")), (text("Say."), IMAGE)])
def test_text_is_the_prompt_before_or_after_the_image(book: PromptBook, parts: Any) -> None:
    """With JoyCaption's system prompt and sampling."""
    chat = parse(book, user(*parts))
    assert chat.request.messages == (Message("system", book.system_prompt), Message("user", "Say.", True))
    sampling = chat.request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.6, 0.9, 256)
    assert chat.image is not None
    assert chat.image.param == f"messages[0].content[{parts.index(IMAGE)}].image_url"


def test_a_plain_string_as_image_url_is_taken(book: PromptBook) -> None:
    """Some clients send it so."""
    chat = parse(book, user({"type": "image_url", "image_url": "data:x"}))
    assert chat.image is not None
    assert chat.image.url == "data:x"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_prompt_of_the_clients_wins(book: PromptBook, role: str) -> None:
    """As a string or in parts."""
    for content in ("Be brief.", [text("Be brief.")]):
        chat = parse(book, {"role": role, "content": content}, user(IMAGE))
        assert [message.role for message in chat.request.messages] == ["system", "user"]
        assert chat.request.messages[0].text == "Be brief."


@pytest.mark.parametrize(
    ("fields", "parts", "expected"),
    [
        ({}, [], "Write a descriptive caption for this image in a formal tone."),
        ({"style": "casual"}, [], CASUAL),
        ({"style": "casual"}, [text(" Mention {name}. ")], f"{CASUAL} Mention Ann."),
        ({"model": "joycaption:casual"}, [text("Be brief.")], f"{CASUAL} Be brief."),
        ({"model": "joycaption:casual", "extra_options": ["A.", "B."]}, [text("C.")], f"{CASUAL} A. B. C."),
        ({"model": "joycaption:casual", "caption_length": 20}, [], CASUAL),
        ({"caption_type": "Art Critic", "caption_length": "short"}, [], "ART Keep it short."),
        ({"model": "joycaption:art-critic", "caption_length": 20}, [], "ART Keep it within 20 words."),
        ({"model": "joycaption:art-critic"}, [text("Say."), text("More.")], "ART Keep it long. Say.\nMore."),
        ({"style": "Art Critic", "caption_length": "any"}, [], "ART"),
        ({"extra_options": ["With {name}."]}, [text("Say.")], "Say. With Ann."),
        ({}, [text("Say {x} it.\n")], "Say {x} it.\n"),
    ],
)
def test_the_prompt_follows_from_model_options_and_text(
    book: PromptBook, fields: dict[str, Any], parts: list[Any], expected: str
) -> None:
    """By the builder of the legacy endpoints."""
    chat = parse(book, user(IMAGE, *parts), **({"name_input": "Ann"} | fields))
    assert prompt(chat) == expected.replace("ART", book.caption_types["Art Critic"].any)


def test_a_conversation_goes_on_after_the_caption(book: PromptBook) -> None:
    """Only the turn with the image gets a style's prompt."""
    answer = {"role": "assistant", "content": "A cat."}
    chat = parse(book, user(IMAGE), answer, user(text("Shorter.")), model="joycaption:casual")
    assert chat.request.messages[1:] == (
        Message("user", CASUAL, True),
        Message("assistant", "A cat."),
        Message("user", "Shorter."),
    )


def test_a_text_alone_passes(book: PromptBook) -> None:
    """To the model as it is served."""
    chat = parse(book, {"role": "user", "content": "Hello."})
    assert chat.image is None
    assert [message.text for message in chat.request.messages] == [book.system_prompt, "Hello."]


def test_sampling_is_taken_field_by_field(book: PromptBook) -> None:
    """OpenAI's names and vLLM's."""
    chat = parse(
        book,
        user(IMAGE),
        temperature=1,
        top_p=0.5,
        top_k=40,
        min_p=0.1,
        repetition_penalty=1.1,
        presence_penalty=-1,
        frequency_penalty=1.5,
        n=3,
        stop="\n",
        seed=7,
        max_tokens=10,
        max_completion_tokens=20,
        logprobs=True,
        top_logprobs=5,
    )
    arguments = chat.request.sampling.arguments()
    assert arguments == {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 40,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": -1,
        "frequency_penalty": 1.5,
        "n": 3,
        "stop": ("\n",),
        "seed": 7,
        "max_tokens": 20,
        "logprobs": True,
        "top_logprobs": 5,
        "skip_special_tokens": True,
    }


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_says_nothing_about_the_answer_is_dropped(book: PromptBook, name: str) -> None:
    """Bookkeeping and hints to OpenAI's own service."""
    assert parse(book, user(IMAGE), **{name: {"any": "thing"}}).request == parse(book, user(IMAGE)).request


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "text"}},
        {"tools": []},
        {"tool_choice": "auto"},
        {"modalities": ["text"]},
        {"logit_bias": {}},
        {"audio": None},
        {"top_k": -1},
        {"top_k": 0},
        {"stop": None},
    ],
)
def test_what_asks_for_nothing_is_dropped(book: PromptBook, fields: dict[str, Any]) -> None:
    """By its value."""
    assert parse(book, user(IMAGE), **fields).request == parse(book, user(IMAGE)).request


@pytest.mark.parametrize(
    "name",
    [
        "mm_processor_kwargs",
        "media_io_kwargs",
        "chat_template",
        "chat_template_kwargs",
        "add_generation_prompt",
        "guided_json",
        "structured_outputs",
        "priority",
        "prompt_logprobs",
        "echo",
        "tools",
        "response_format",
        "logit_bias",
        "audio",
        "nonsense",
    ],
)
def test_what_is_not_supported_is_refused_by_name(book: PromptBook, name: str) -> None:
    """Rather than an answer to another question than was asked."""
    with pytest.raises(InvalidRequestError) as caught:
        parse(book, user(IMAGE), **{name: {"a": 1}})
    assert caught.value.field == name
    assert name in caught.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [7]}, "messages[0]"),
        ({"messages": [[]]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [user("a")]}, "messages[0].content[0]"),
        ({"messages": [user({})]}, "messages[0].content[0]"),
        ({"messages": [user({"type": "input_audio"})]}, "messages[0].content[0]"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
        ({"messages": [user({"type": "text", "text": 7})]}, "messages[0].content[0].text"),
        ({"messages": [user({"type": "image_url"})]}, "messages[0].content[0].image_url"),
        (
            {"messages": [user({"type": "image_url", "image_url": {}})]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [user({"type": "image_url", "image_url": 7})]}, "messages[0].content[0].image_url"),
        ({"messages": [user(*[text("a")] * 10_000)]}, "messages[0].content"),
        ({"messages": [user(text("a"))] * 10_000}, "messages"),
        ({"messages": [user(IMAGE, IMAGE)]}, "messages[0].content[1].image_url"),
        ({"messages": [user(IMAGE), user(text("a"), IMAGE)]}, "messages[1].content[1].image_url"),
        ({"messages": [{"role": "system", "content": [IMAGE]}]}, "messages[0].content[0].image_url"),
        ({"messages": [user(text(" "))]}, "messages"),
        ({"messages": [{"role": "system", "content": "a"}]}, "messages"),
        ({"messages": [user(text("a"))], "style": "booru"}, "messages"),
        ({"messages": [user(text("a"))], "model": "joycaption:booru"}, "messages"),
        ({"messages": [user(IMAGE, text("a <|eot_id|> b"))]}, "messages[0].content"),
        ({"messages": [user(IMAGE), {"role": "assistant", "content": "<|eot_id|>"}]}, "messages[1].content"),
        ({"messages": [{"role": "system", "content": "<|eot_id|>"}, user(IMAGE)]}, "messages[0].content"),
        ({"extra_options": ["<|eot_id|>"], "style": "booru"}, "extra_options"),
        ({"name_input": "<|eot_id|>", "style": "booru"}, "name_input"),
        ({"model": "joycaption:booru", "style": "casual"}, "style"),
        ({"model": "joycaption:booru", "caption_type": "Art Critic"}, "caption_type"),
        ({"style": "none"}, "style"),
        ({"caption_type": "none"}, "caption_type"),
        ({"caption_type": "Art Critic", "caption_length": "huge"}, "caption_length"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": 7}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 2, "temperature": 0}, "n"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": {"a": 1}}, "stop"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "0.5"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 2**40}, "max_completion_tokens"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_a_mistake_is_400_and_names_its_place(book: PromptBook, fields: dict[str, Any], param: str) -> None:
    """As OpenAI writes places."""
    whole = {"model": "joycaption", "messages": [user(IMAGE)]} | fields
    with pytest.raises(CaptionError) as caught:
        to_chat(parse_body(whole), book, VirtualModels(book))
    assert caught.value.status == 400
    assert caught.value.field == param
    assert len(str(caught.value)) < 1000


def test_an_unknown_model_is_404(book: PromptBook) -> None:
    """As OpenAI's."""
    with pytest.raises(ModelNotFoundError):
        parse(book, user(IMAGE), model="gpt-4o")


def test_nothing_that_the_client_adds_to_a_part_is_kept(book: PromptBook) -> None:
    """A `uuid` would make the engine take another image for this one."""
    part = IMAGE | {"uuid": "a", "image_url": {"url": "data:x", "detail": "high", "uuid": "b"}}
    assert parse(book, user(part)).request == parse(book, user(IMAGE)).request
