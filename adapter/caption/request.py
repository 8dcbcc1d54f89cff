"""What is asked of the model, and how the engine is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from adapter.caption.brief import Brief
from adapter.caption.sampling import Sampling


class Limit(StrEnum):
    """Who chose `max_tokens`, which decides what becomes of an answer that it cuts."""

    DEFAULT = "default"  # nobody: the model is asked again, for a longer answer
    CHOSEN = "chosen"  # the user, who gets the whole sentences of it
    BINDING = "binding"  # a client that expects the cut


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    The image's tokens come before its text, wherever the template puts them.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    has_image: bool = False


@dataclass(frozen=True)
class CaptionRequest:
    """A conversation about one image, or about none, as every face hands it to the captioner.

    The picture itself isn't part of it. `trigger` is put in front of the answer. The answer is judged by
    `brief`, and not at all where that is None. `earlier` counts the attempts at it that failed before.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    trigger: str = ""
    brief: Brief | None = None
    limit: Limit = Limit.DEFAULT
    earlier: int = 0

    @property
    def prompt(self) -> str:
        """What was said last."""
        return self.messages[-1].text


def question(prompt: str, system_prompt: str) -> tuple[Message, ...]:
    """Gives the conversation that the model was trained on: a system turn, and a user's with the image."""
    return Message("system", system_prompt), Message("user", prompt, has_image=True)


def to_messages(messages: Sequence[Message], image_url: Any) -> list[dict[str, Any]]:
    """Gives the conversation as the engine takes it; the served chat template places the image's tokens.

    `image_url` is a data URL, or an `orjson.Fragment` of one; None where no message has an image.
    """
    image = {"type": "image_url", "image_url": {"url": image_url}}
    return [
        {
            "role": message.role,
            "content": [image, {"type": "text", "text": message.text}] if message.has_image else message.text,
        }
        for message in messages
    ]


def to_arguments(request: CaptionRequest, image_url: Any, model: str) -> dict[str, Any]:
    """Gives the body of a chat-completion request to the engine. `image_url` is as in `to_messages`."""
    return {
        "model": model,
        "messages": to_messages(request.messages, image_url),
        **request.sampling.arguments(),
    }
