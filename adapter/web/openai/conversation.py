"""From the body of a chat completion to what the captioner is asked.

Nothing of a client's body is passed on as it came: what the engine gets is built anew from the fields here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapter.caption.brief import Brief
from adapter.caption.prompt_choice import (
    MAX_PROMPT,
    PromptChoice,
    refuse_long,
    refuse_special_tokens,
    with_options,
)
from adapter.caption.prompts import PromptBook
from adapter.caption.request import CaptionRequest, Limit, Message
from adapter.errors import InvalidRequestError, WrongFieldError
from adapter.field_names import fields_named
from adapter.web.openai.chat_body import ChatBody, ChatMessage, ImagePart
from adapter.web.openai.virtual_models import VirtualModel, VirtualModels
from adapter.web.wire import PROMPT_FIELD_NAMES


@dataclass(frozen=True)
class ImagePlace:
    """An image's URL, and where in the body it stands, in OpenAI's form."""

    param: str
    url: str


@dataclass(frozen=True)
class Chat:
    """A checked body, the request that it stands for, and the place of the image, None where it has none."""

    body: ChatBody
    request: CaptionRequest
    image: ImagePlace | None


def to_chat(body: ChatBody, book: PromptBook, models: VirtualModels) -> Chat:
    """Gives what a body asks for. Raises InvalidRequestError and ModelNotFoundError."""
    model = models.find(body.model)
    image = _find_image(body.messages)
    with fields_named(PROMPT_FIELD_NAMES):
        messages = _messages(body, model, book)
    if image is None:
        _check_text_alone(body, model)
    brief = None if image is None else _brief(body, messages, book)
    if not any(message.role == "system" for message in messages):
        messages.insert(0, Message("system", book.system_prompt))
    limit = Limit.DEFAULT if body.chosen_max_tokens is None else Limit.BINDING
    choices = [_choice(body, model, message.text) for message in body.messages if message.has_image]
    default = book.sampling_for(choices[0]) if choices else book.default_sampling
    request = CaptionRequest(tuple(messages), body.sampling(default), body.trigger, brief=brief, limit=limit)
    return Chat(body, request, image)


def _brief(body: ChatBody, messages: Sequence[Message], book: PromptBook) -> Brief:
    """Gives what the last message asks for; a system prompt or `stop` of the client's may ask for more."""
    brief = book.briefs.of(messages[-1].text)
    own = {message.text for message in messages if message.role == "system"} - {book.system_prompt}
    if body.stop or own:
        return replace(brief, has_own_words=True)
    return brief


def _find_image(messages: Sequence[ChatMessage]) -> ImagePlace | None:
    found = None
    for number, message in enumerate(messages):
        for place, part in enumerate(message.content):
            if not isinstance(part, ImagePart):
                continue
            param = f"messages[{number}].content[{place}].image_url"
            if found is not None:
                raise InvalidRequestError("One image per request: the model knows no more", param)
            if message.role != "user":
                raise InvalidRequestError("Only a user's message can have an image", param)
            found = ImagePlace(param, part.image_url.url)
    return found


def _messages(body: ChatBody, model: VirtualModel, book: PromptBook) -> list[Message]:
    messages = []
    for number, message in enumerate(body.messages):
        refuse_long(message.text, MAX_PROMPT, f"messages[{number}].content")
        refuse_special_tokens(message.text, f"messages[{number}].content")
        role = "system" if message.role == "developer" else message.role
        text = _prompt(body, model, message.text, book) if message.has_image else message.text
        messages.append(Message(role, text, message.has_image))
    return messages


def _prompt(body: ChatBody, model: VirtualModel, text: str, book: PromptBook) -> str:
    """Gives the client's own text, or the style's prompt with that text as one more option."""
    if model.writes_prompt and body.style_is_chosen:
        field = "style" if "style" in body.model_fields_set else "caption_type"
        problem = f"is given by the model {model.id} already: leave it out, or use the model joycaption"
        raise WrongFieldError(field, problem)
    choice = _choice(body, model, text)
    if choice.caption_type:
        book.require_caption_type(choice.caption_type)
    if choice.prompt:
        return with_options(text, choice)
    return book.prompt(replace(choice, options=(*choice.options, text)))


def _choice(body: ChatBody, model: VirtualModel, text: str) -> PromptChoice:
    """Gives what the model's name and the body choose; `text` is the prompt unless one of them has one."""
    is_own = text.strip() and not model.writes_prompt and not body.style_is_chosen
    return replace(
        body.choice,
        prompt=text if is_own else "",
        caption_type=model.caption_type or body.caption_type,
        style=model.style or body.style,
    )


def _check_text_alone(body: ChatBody, model: VirtualModel) -> None:
    if model.writes_prompt or body.style_is_chosen:
        raise InvalidRequestError("A caption needs an image: send one as image_url", "messages")
    if not any(message.text.strip() for message in body.messages if message.role == "user"):
        raise InvalidRequestError("There is neither an image nor a text in a user's message", "messages")
