"""CaptionRequest to chat-completion arguments, and the reply to a Caption. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openai.types.chat import ChatCompletion

from adapter.errors import EngineError
from adapter.prompts import PromptBook
from adapter.prompts import Sampling as SamplingDefaults

# vLLM's own names and neutral values for what would otherwise follow the model's generation config.
NEUTRAL_SAMPLING: Mapping[str, Any] = {
    "n": 1,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "skip_special_tokens": True,
}
NO_TOP_K = -1


@dataclass(frozen=True)
class SamplingParameters:
    """How the next token is chosen. A temperature of 0 is greedy; `top_k` None is no cut."""

    temperature: float
    top_p: float
    top_k: int | None
    max_tokens: int
    seed: int | None = None

    @classmethod
    def from_defaults(cls, defaults: SamplingDefaults) -> "SamplingParameters":
        return cls(defaults.temperature, defaults.top_p, defaults.top_k, defaults.max_tokens)

    def arguments(self) -> dict[str, Any]:
        """Every value, so that nothing depends on the engine's defaults."""
        greedy = self.temperature == 0.0
        return {
            **NEUTRAL_SAMPLING,
            "temperature": self.temperature,
            "top_p": 1.0 if greedy else self.top_p,
            "top_k": NO_TOP_K if greedy or self.top_k is None else self.top_k,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class CaptionRequest:
    """One image and what is asked of it, as every face hands it to the captioner.

    `image` is an absolute path on this machine, or the bytes of the file themselves.
    """

    image: str | bytes = field(repr=False)
    prompt: str
    system_prompt: str
    sampling: SamplingParameters

    @classmethod
    def build(
        cls,
        image: str | bytes,
        prompt: str,
        book: PromptBook,
        sampling: SamplingParameters | None = None,
    ) -> "CaptionRequest":
        """A request with the book's system prompt, and its sampling unless another is given."""
        return cls(
            image,
            prompt,
            book.system_prompt,
            sampling or SamplingParameters.from_defaults(book.sampling),
        )


@dataclass(frozen=True)
class Caption:
    """What came back. `finish_reason` is OpenAI's: `stop`, or `length` when `max_tokens` cut it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def messages(image_url: str, prompt: str, system_prompt: str) -> list[dict[str, Any]]:
    """One system and one user turn; the served chat template puts the image's tokens first."""
    return [
        {"role": "system", "content": system_prompt},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": image_url}},
                {"type": "text", "text": prompt},
            ],
        },
    ]


def to_arguments(request: CaptionRequest, image_url: str, model: str) -> dict[str, Any]:
    """The body of a chat-completion request to the engine."""
    return {
        "model": model,
        "messages": messages(image_url, request.prompt, request.system_prompt),
        **request.sampling.arguments(),
    }


def to_caption(completion: ChatCompletion) -> Caption:
    """The first choice. Raises EngineError when there is no text in it."""
    if not completion.choices or completion.choices[0].message.content is None:
        raise EngineError("The engine answered without a caption")
    choice = completion.choices[0]
    usage = completion.usage
    return Caption(
        text=(choice.message.content or "").strip(),
        finish_reason=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )
