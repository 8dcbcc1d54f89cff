"""CaptionRequest to chat-completion arguments, and the reply to a Caption. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openai.types.chat import ChatCompletion

from adapter.errors import EngineError
from adapter.prompts import PromptBook
from adapter.prompts import Sampling as SamplingDefaults
from adapter.sources import ImageSource

NO_TOP_K = -1  # vLLM's way to say that nothing is cut
AFTER_TRIGGER = ", "  # what joins a trigger word to prose and to tag lists alike


@dataclass(frozen=True)
class SamplingParameters:
    """How the next token is chosen. A temperature of 0 is greedy; `top_k` None is no cut.

    The defaults are neutral: they leave the model's own probabilities as they are. `top_logprobs` None
    asks for no log probabilities, 0 for those of the chosen tokens alone.
    """

    temperature: float
    top_p: float
    top_k: int | None
    max_tokens: int
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    top_logprobs: int | None = None

    @classmethod
    def from_defaults(cls, defaults: SamplingDefaults) -> "SamplingParameters":
        return cls(defaults.temperature, defaults.top_p, defaults.top_k, defaults.max_tokens)

    def arguments(self) -> dict[str, Any]:
        """Every value, so that nothing depends on the engine's or the model's own defaults."""
        greedy = self.temperature == 0.0
        return vars(self) | {
            "top_p": 1.0 if greedy else self.top_p,
            "top_k": NO_TOP_K if greedy or self.top_k is None else self.top_k,
            "logprobs": self.top_logprobs is not None,
            "skip_special_tokens": True,
        }


@dataclass(frozen=True)
class Turn:
    """One message of a conversation. Its image's tokens come before its text, wherever the template puts
    them."""

    role: Literal["system", "user", "assistant"]
    text: str
    has_image: bool = False


def question(prompt: str, system_prompt: str) -> tuple[Turn, ...]:
    """What the model was trained on: one system and one user turn, the image in the latter."""
    return Turn("system", system_prompt), Turn("user", prompt, has_image=True)


@dataclass(frozen=True)
class CaptionRequest:
    """A conversation about one image, or about none, as every face hands it to the captioner.

    `image` is None when no turn has one. `trigger` is put in front of the answer.
    """

    image: ImageSource | None
    turns: tuple[Turn, ...]
    sampling: SamplingParameters
    trigger: str = ""

    @property
    def prompt(self) -> str:
        """What was said last."""
        return self.turns[-1].text

    @classmethod
    def build(
        cls,
        image: ImageSource,
        prompt: str,
        book: PromptBook,
        sampling: SamplingParameters | None = None,
    ) -> "CaptionRequest":
        """A request with the book's system prompt, and its sampling unless another is given."""
        return cls(
            image,
            question(prompt, book.system_prompt),
            sampling or SamplingParameters.from_defaults(book.sampling),
        )


@dataclass(frozen=True)
class Caption:
    """What came back. `finish_reason` is OpenAI's: `stop`, or `length` when `max_tokens` cut it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class AnswerText:
    """An answer's text as users get it: stripped, the trigger first and not twice. Takes it in pieces."""

    def __init__(self, trigger: str = "") -> None:
        self._trigger = trigger.strip()
        self._head: str | None = ""  # what may yet turn out to be the trigger; None once that is settled
        self._blanks = ""

    def push(self, piece: str) -> str:
        """As much of what there is by now as is sure to stay."""
        if self._head is not None:
            self._head = (self._head + piece).lstrip()
            if not self._head or self._may_be_trigger(self._head):
                return ""
            piece, self._head = self._begin(self._head), None
        text = self._blanks + piece
        kept = text.rstrip()
        self._blanks = text[len(kept) :]
        return kept

    def end(self) -> str:
        """What `push` held back. Blanks at the end are never given."""
        head, self._head = self._head, None
        return self._begin(head).rstrip() if head else ""

    def _may_be_trigger(self, head: str) -> bool:
        """Whether it can't be told yet: one character after the trigger tells whether the word ends."""
        return bool(self._trigger) and self._trigger.lower().startswith(head.lower())

    def _begin(self, head: str) -> str:
        length = len(self._trigger)
        if not length:
            return head
        same = head[:length].lower() == self._trigger.lower()
        if same and not (head[length : length + 1].isalnum() or head[length : length + 1] == "_"):
            return self._trigger + head[length:]
        return self._trigger + AFTER_TRIGGER + head


def to_text(answer: str, trigger: str = "") -> str:
    """A whole answer's text as users get it."""
    text = AnswerText(trigger)
    return text.push(answer) + text.end()


def to_messages(turns: Sequence[Turn], image_url: Any) -> list[dict[str, Any]]:
    """The turns as the engine takes them; the served chat template places the image's tokens.

    `image_url` is a data URL, or an `orjson.Fragment` of one; None when no turn has an image.
    """
    image = {"type": "image_url", "image_url": {"url": image_url}}
    return [
        {
            "role": turn.role,
            "content": [image, {"type": "text", "text": turn.text}] if turn.has_image else turn.text,
        }
        for turn in turns
    ]


def to_arguments(request: CaptionRequest, image_url: Any, model: str) -> dict[str, Any]:
    """The body of a chat-completion request to the engine. `image_url` as in `to_messages`."""
    return {
        "model": model,
        "messages": to_messages(request.turns, image_url),
        **request.sampling.arguments(),
    }


def to_caption(completion: ChatCompletion, trigger: str = "") -> Caption:
    """The first choice. Raises EngineError when there is no text in it."""
    if not completion.choices or completion.choices[0].message.content is None:
        raise EngineError("The engine answered without a caption")
    choice = completion.choices[0]
    usage = completion.usage
    return Caption(
        text=to_text(choice.message.content or "", trigger),
        finish_reason=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )
