"""What a user chooses a prompt by, and what may stand in one."""

import re
from dataclasses import dataclass

from adapter.errors import WrongFieldError

DEFAULT_LENGTH = "long"
DEFAULT_STYLE = "descriptive"
# In characters; no honest client comes near. The model's whole context has some 15 000.
MAX_PROMPT, MAX_NAME, MAX_OPTION, MAX_OPTIONS = 65_536, 1024, 4096, 64
# What Llama 3's tokenizer reads as one special token, wherever it stands in a text.
SPECIAL_TOKEN = re.compile(r"<\|[^|]*\|>")


@dataclass(frozen=True, kw_only=True)
class PromptChoice:
    """What a user chooses a prompt by, with the project's own names for it.

    `prompt` wins over `caption_type`, and that over `style`. `length` is as in `CaptionType.prompt`.
    `options` are sentences to append, in which `{name}` stands for `name`.
    """

    prompt: str = ""
    caption_type: str = ""
    length: str = DEFAULT_LENGTH
    style: str = DEFAULT_STYLE
    options: tuple[str, ...] = ()
    name: str = ""


def with_options(text: str, choice: PromptChoice) -> str:
    """Gives `text` with the choice's options after it, one space before each.

    `{name}` in them becomes the choice's name, or `{NAME}` where that is empty. Raises WrongFieldError.
    """
    refuse_long(choice.name, MAX_NAME, "name")
    refuse_special_tokens(choice.name, "name")
    if len(choice.options) > MAX_OPTIONS:
        raise WrongFieldError("options", f"should have at most {MAX_OPTIONS} of them")
    for option in choice.options:
        refuse_long(option, MAX_OPTION, "options")
        refuse_special_tokens(option, "options")
    places = sum(option.count("{name}") for option in choice.options)
    if len(text) + sum(map(len, choice.options)) + places * len(choice.name) > MAX_PROMPT:
        raise WrongFieldError("options", f"make a prompt of more than {MAX_PROMPT} characters")
    named = (option.replace("{name}", choice.name.strip() or "{NAME}") for option in choice.options)
    whole = " ".join([text, *(option.strip() for option in named if option.strip())])
    refuse_special_tokens(whole, "options")  # put together from harmless pieces
    return whole


def refuse_long(text: str, limit: int, field: str) -> None:
    """Raises WrongFieldError where `text` has more characters than the limit."""
    if len(text) > limit:
        raise WrongFieldError(field, f"has more than {limit} characters")


def refuse_special_tokens(text: str, field: str) -> None:
    """Raises WrongFieldError where the tokenizer would read a part of `text` as a special token."""
    found = SPECIAL_TOKEN.search(text)
    if found:
        raise WrongFieldError(
            field, f"holds {found.group()}, which the model reads as a control token: remove it"
        )
