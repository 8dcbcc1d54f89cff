"""What the engine wrote, as users get it: whole, or chunk by chunk."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from adapter.caption.flaws import Flaw, Kind
from adapter.caption.trigger import TriggeredText, with_trigger
from adapter.errors import EngineError

Chunk = dict[str, Any]  # one of OpenAI's `chat.completion.chunk`
# vLLM's own reasons in OpenAI's words, whose types refuse others. Both mean that the text isn't whole: vLLM
# saw it repeat itself without end, or was told to stop.
FINISH_REASONS = {"repetition": "length", "abort": "length"}


class _Reply(BaseModel):
    content: str | None = None


class _RepliedChoice(BaseModel):
    index: int
    message: _Reply
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0


class Completion(BaseModel):
    """The engine's answer to a chat-completion request: those of OpenAI's fields that are used here.

    openai's own types would do as well, but importing them takes most of a second, which every command would
    pay.
    """

    id: str
    created: int
    choices: list[_RepliedChoice]
    usage: _Usage | None = None


@dataclass(frozen=True)
class Choice:
    """One of the texts that were asked for.

    `finish_reason` is OpenAI's: `length` where `max_tokens` cut it. `engine_reason` is the engine's own.
    """

    index: int
    text: str
    finish_reason: str
    logprobs: dict[str, Any] | None = None
    engine_reason: str = ""


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    `seconds` passed from its first request to its end. `weights` names what the model was loaded from. `id`
    and `created` (Unix time) are the engine's. `flaws` are those of the text as it is, None where it wasn't
    judged; `rejected` the hard ones of texts that weren't given out, or not as they were, in all `attempts`.
    """

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    seconds: float = 0.0
    weights: str = ""
    id: str = ""
    created: int = 0
    flaws: tuple[Flaw, ...] | None = None
    attempts: int = 1
    rejected: tuple[Kind, ...] = ()

    @property
    def is_repaired(self) -> bool:
        """Whether the text is what is left of one that looped or was cut."""
        return any(flaw.kind is Kind.REPAIRED for flaw in self.flaws or ())

    def triggered(self, trigger: str) -> "Answer":
        """Gives the answer with the trigger in front of each text."""
        if not trigger:
            return self
        choices = (replace(choice, text=with_trigger(choice.text, trigger)) for choice in self.choices)
        return replace(self, choices=tuple(choices))

    @property
    def text(self) -> str:
        """The first choice's text."""
        return self.choices[0].text

    @property
    def finish_reason(self) -> str:
        """The first choice's `finish_reason`."""
        return self.choices[0].finish_reason


def to_finish_reason(reason: str) -> str:
    """Gives OpenAI's word for the engine's reason to end a text."""
    return FINISH_REASONS.get(reason, reason)


def to_answer(completion: Completion, *, seconds: float = 0.0, weights: str = "") -> Answer:
    """Gives the engine's answer, each text without blanks around it.

    Raises EngineError where a text is missing.
    """
    choices = []
    for choice in completion.choices:
        if choice.message.content is None:
            raise EngineError("The engine answered without a text")
        reason = choice.finish_reason or "stop"
        text = choice.message.content.strip()
        choices.append(Choice(choice.index, text, to_finish_reason(reason), choice.logprobs, reason))
    if not choices:
        raise EngineError("The engine answered without a caption")
    usage = completion.usage or _Usage()
    return Answer(
        tuple(choices),
        usage.prompt_tokens,
        usage.completion_tokens or 0,
        seconds,
        weights,
        completion.id,
        completion.created,
    )


class ChunkedAnswer:
    """An answer that comes in chunks, with the trigger in front of each choice's text.

    `text` is what all choices said so far. The numbers of tokens are known at the end.
    """

    def __init__(self, trigger: str = "") -> None:
        self._trigger = trigger
        self._texts: dict[int, TriggeredText] = {}
        self._said: list[str] = []
        self.prompt_tokens = 0
        self.completion_tokens = 0

    @property
    def text(self) -> str:
        return "".join(self._said)

    def push(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Gives the engine's chunks as users get them; what would say nothing is left out."""
        return [kept for chunk in chunks if (kept := self._kept(chunk)) is not None]

    def _kept(self, chunk: Chunk) -> Chunk | None:
        if usage := chunk.get("usage"):
            self.prompt_tokens = usage.get("prompt_tokens", 0)
            self.completion_tokens = usage.get("completion_tokens", 0)
        if not chunk["choices"]:
            return chunk if usage else None
        choices = [said for choice in chunk["choices"] if (said := self._said_by(choice))]
        return chunk | {"choices": choices} if choices else None

    def _said_by(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        index, delta = choice["index"], choice.get("delta") or {}
        finish_reason, logprobs = choice.get("finish_reason"), choice.get("logprobs")
        text = self._texts.setdefault(index, TriggeredText(self._trigger))
        content = text.push(delta.get("content") or "")
        if finish_reason:
            finish_reason = to_finish_reason(finish_reason)
            content += text.end()
        said: dict[str, Any] = {"role": "assistant", "content": ""} if delta.get("role") else {}
        if content:
            self._said.append(content)
            said["content"] = content
        if not said and not finish_reason and not logprobs:
            return None
        return {"index": index, "delta": said, "logprobs": logprobs, "finish_reason": finish_reason}
