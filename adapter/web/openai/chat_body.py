"""The body of `POST /v1/chat/completions`: which fields are understood, dropped or refused.

What the fields ask for together is left to `conversation`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from adapter.caption.sampling import Sampling
from adapter.errors import InvalidRequestError, WrongFieldError
from adapter.web.wire import PromptOptions, Temperature, TopK, TopP, WireModel, validate

MAX_MESSAGES = 256  # far more than the model's context can hold
MAX_PARTS = 64
MAX_STOPS = 16
MAX_CHOICES = 128  # OpenAI's limit
MAX_LOGPROBS = 65_536  # of all choices' tokens together; each takes some 100 bytes on its way
MAX_ANSWER_TOKENS = 4096  # that the model's context has room for
INT64 = 2**63
INT32 = 2**31
# Fields that say nothing about the answer's content: bookkeeping, and hints to OpenAI's own service.
HARMLESS = frozenset(
    "user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention "
    "parallel_tool_calls reasoning_effort verbosity prediction".split()
)
# Fields that ask for nothing while they have one of these values.
HARMLESS_VALUES: Mapping[str, Sequence[Any]] = {
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
}
PART_TYPE = re.compile(r"(\.content\[\d+\])\.(?:text|image_url)(?=\.|$)")


def _one_or_more(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _text_as_parts(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def _url_as_object(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class ImageURL(WireModel):
    """Where an image is."""

    url: Annotated[str, Field(min_length=1)]


class ImagePart(WireModel):
    """A part of a message that is an image. Some clients send the URL as a plain string."""

    type: Literal["image_url"]
    image_url: Annotated[ImageURL, BeforeValidator(_url_as_object)]


class TextPart(WireModel):
    """A part of a message that is a text."""

    type: Literal["text"]
    text: str


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(WireModel):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_text_as_parts), Field(max_length=MAX_PARTS)]

    @property
    def text(self) -> str:
        """All texts, one per line."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def has_image(self) -> bool:
        return any(isinstance(part, ImagePart) for part in self.content)


class StreamOptions(WireModel):
    """What a stream is to hold besides the text."""

    include_usage: bool = False


class ChatBody(PromptOptions):
    """OpenAI's fields and vLLM's, as far as they are supported, and those that choose a prompt."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    trigger: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    stop: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(_one_or_more),
        Field(max_length=MAX_STOPS),
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
        """Whether the client sent a style or a caption type."""
        return bool(self.model_fields_set & {"style", "caption_type"})

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def chosen_max_tokens(self) -> int | None:
        """The client's own limit, None where it has none."""
        return self.max_completion_tokens or self.max_tokens

    def sampling(self, default: Sampling) -> Sampling:
        """Gives the sampling values: the defaults, where the request doesn't say anything else.

        Raises WrongFieldError.
        """
        sampling = default.overridden(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.chosen_max_tokens,
            seed=self.seed,
            n=self.n,
            stop=self.stop,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
        )
        if sampling.top_logprobs is not None:
            told = sampling.n * min(sampling.max_tokens, MAX_ANSWER_TOKENS) * (sampling.top_logprobs + 1)
            if told > MAX_LOGPROBS:
                raise WrongFieldError(
                    "logprobs", f"would be {told}: at most {MAX_LOGPROBS} are given; lower n or max_tokens"
                )
        if sampling.n > 1 and sampling.temperature == 0:
            raise WrongFieldError("n", "must be 1 at temperature 0: all answers would be the same")
        return sampling


def parse_body(fields: dict[str, Any]) -> ChatBody:
    """Gives the body that `fields` make.

    Raises InvalidRequestError, its field in OpenAI's form: `messages[0].content[1].text`.
    """
    understood = {name: value for name, value in fields.items() if not _is_harmless(name, value)}
    for name in understood:
        if name not in ChatBody.model_fields:
            raise InvalidRequestError(f"Unsupported parameter: {name}", name)
    try:
        body = validate(understood, ChatBody)
    except WrongFieldError as error:
        # pydantic names the type that it took a part for, as one more step: `content[1].text.text`.
        error.field = PART_TYPE.sub(r"\1", error.field or "")
        raise
    if body.stream_options is not None and not body.stream:
        raise WrongFieldError("stream_options", "is only for stream: true")
    if body.top_logprobs is not None and not body.logprobs:
        raise WrongFieldError("top_logprobs", "is only for logprobs: true")
    return body


def _is_harmless(name: str, value: Any) -> bool:
    return value is None or name in HARMLESS or value in HARMLESS_VALUES.get(name, ())
