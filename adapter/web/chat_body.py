"""The body of `POST /v1/chat/completions`, and the request to the captioner that it stands for.

Nothing of a client's body is passed on as it came: what the engine gets is built anew from the fields here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from adapter.chat import CaptionRequest, SamplingParameters, Turn
from adapter.errors import InvalidRequestError
from adapter.prompts import PromptBook, refuse_special_tokens
from adapter.web.virtual_models import VirtualModel, VirtualModels
from adapter.web.wire import PromptOptions, Temperature, TopK, TopP, WireModel, validate

MOST_MESSAGES = 256  # far more than the model's context can hold
MOST_PARTS = 64
MOST_STOPS = 16
MOST_CHOICES = 128  # OpenAI's limit
INT64 = 2**63
INT32 = 2**31
# Fields that say nothing about the answer's content: bookkeeping and hints to OpenAI's own service.
HARMLESS = frozenset(
    "user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention "
    "parallel_tool_calls reasoning_effort verbosity prediction".split()
)
# Fields that ask for nothing when they have one of these values.
HARMLESS_VALUES: Mapping[str, Sequence[Any]] = {
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
}
PART_KIND = re.compile(r"(\.content\.\d+)\.(?:text|image_url)(?=\.|$)")
INDEX = re.compile(r"\.(\d+)")


def _one_or_more(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _text_as_parts(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def _url_as_object(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class ImageURL(WireModel):
    url: Annotated[str, Field(min_length=1)]


class ImagePart(WireModel):
    type: Literal["image_url"]
    image_url: Annotated[ImageURL, BeforeValidator(_url_as_object)]


class TextPart(WireModel):
    type: Literal["text"]
    text: str


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(WireModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_text_as_parts), Field(max_length=MOST_PARTS)]

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class StreamOptions(WireModel):
    include_usage: bool = False


class ChatBody(PromptOptions):
    """OpenAI's fields and vLLM's, as far as they are supported, and those that build a prompt."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    trigger: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] = 1
    stop: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(_one_or_more),
        Field(max_length=MOST_STOPS),
    ] = ()
    seed: Annotated[int, Field(ge=-INT64, lt=INT64)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=INT32)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=INT32)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    top_k: TopK = None
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    repetition_penalty: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0

    @property
    def style_is_chosen(self) -> bool:
        return bool(self.model_fields_set & {"style", "caption_type"})

    def sampling(self, book: PromptBook) -> SamplingParameters:
        defaults = book.sampling
        return SamplingParameters(
            temperature=defaults.temperature if self.temperature is None else self.temperature,
            top_p=self.top_p or defaults.top_p,
            top_k=self.top_k or defaults.top_k,
            max_tokens=self.max_completion_tokens or self.max_tokens or defaults.max_tokens,
            seed=self.seed,
            n=self.n,
            stop=self.stop,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
        )


@dataclass(frozen=True)
class ImagePlace:
    """Where in the body the image is, in OpenAI's way to write it, and its URL."""

    param: str
    url: str


@dataclass(frozen=True)
class Chat:
    """A checked body: the request but for its image, and where that is."""

    body: ChatBody
    model: VirtualModel
    request: CaptionRequest
    image: ImagePlace | None


def parse_chat(fields: dict[str, Any], book: PromptBook, models: VirtualModels) -> Chat:
    """Raises InvalidRequestError and ModelNotFoundError, `field` in OpenAI's form: `messages[0].content`."""
    known = {name: value for name, value in fields.items() if not _is_harmless(name, value)}
    for name in known:
        if name not in ChatBody.model_fields:
            raise InvalidRequestError(f"Unsupported parameter: {name}", name)
    try:
        body = validate(known, ChatBody)
    except InvalidRequestError as error:
        raise _in_openais_form(error) from error
    _check_together(body)
    model = models.find(body.model)
    image = _find_image(body.messages)
    turns = _turns(body, model, image, book)
    sampling = body.sampling(book)
    if sampling.n > 1 and sampling.temperature == 0:
        raise InvalidRequestError("n must be 1 at temperature 0: all answers would be the same", "n")
    request = CaptionRequest(None, turns, sampling, body.trigger)
    return Chat(body, model, request, image)


def _is_harmless(name: str, value: Any) -> bool:
    return value is None or name in HARMLESS or value in HARMLESS_VALUES.get(name, ())


def _in_openais_form(error: InvalidRequestError) -> InvalidRequestError:
    """`messages.0.content.1.text.text` as `messages[0].content[1].text`."""
    old = error.field or ""
    new = INDEX.sub(r"[\1]", PART_KIND.sub(r"\1", old))
    return InvalidRequestError(new + error.message.removeprefix(old), new)


def _check_together(body: ChatBody) -> None:
    if body.stream_options is not None and not body.stream:
        raise InvalidRequestError("stream_options is only for stream: true", "stream_options")
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequestError("top_logprobs is only for logprobs: true", "top_logprobs")


def _find_image(messages: Sequence[Message]) -> ImagePlace | None:
    found = None
    for number, message in enumerate(messages):
        for place, part in enumerate(message.content):
            if not isinstance(part, ImagePart):
                continue
            param = f"messages[{number}].content[{place}].image_url"
            if found is not None:
                raise InvalidRequestError("One image a request: the model knows no more", param)
            if message.role != "user":
                raise InvalidRequestError("Only a user's message can have an image", param)
            found = ImagePlace(param, part.image_url.url)
    return found


def _turns(
    body: ChatBody, model: VirtualModel, image: ImagePlace | None, book: PromptBook
) -> tuple[Turn, ...]:
    turns = []
    for number, message in enumerate(body.messages):
        refuse_special_tokens(message.text, f"messages[{number}].content")
        role = "system" if message.role == "developer" else message.role
        has_image = any(isinstance(part, ImagePart) for part in message.content)
        turns.append(
            Turn(role, _prompt(body, model, message.text, book) if has_image else message.text, has_image)
        )
    if image is None:
        if model.writes_prompt or body.style_is_chosen:
            raise InvalidRequestError("A caption needs an image: send one as image_url", "messages")
        if not any(turn.text.strip() for turn in turns if turn.role == "user"):
            raise InvalidRequestError("There is neither an image nor a text in a user's message", "messages")
    if not any(turn.role == "system" for turn in turns):
        turns.insert(0, Turn("system", book.system_prompt))
    return tuple(turns)


def _prompt(body: ChatBody, model: VirtualModel, text: str, book: PromptBook) -> str:
    """The client's own text, or the style's prompt with that text as one more option."""
    if model.writes_prompt and body.style_is_chosen:
        raise InvalidRequestError(
            f"The model {model.id} has its style already: leave the field out, or use the model joycaption",
            "style" if "style" in body.model_fields_set else "caption_type",
        )
    caption_type = model.caption_type or body.caption_type
    if caption_type:
        book.require_caption_type(caption_type)
    if text.strip() and not model.writes_prompt and not body.style_is_chosen:
        return book.append_options(text, body.extra_options, body.name_input)
    return book.build(
        caption_type=caption_type,
        caption_length=body.caption_length,
        style=model.style or body.style,
        extra_options=[*body.extra_options, text],
        name=body.name_input,
    )
