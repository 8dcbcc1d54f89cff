"""The contents of styles.json, and the prompts that it makes of what users choose.

Reading the file is left to the command line. What the fields of a choice are called by a client, or on a
command line, is left to each face.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapter.caption.brief import Briefs
from adapter.caption.flaws import Form
from adapter.caption.sampling import Sampling
from adapter.errors import SettingsError, UnknownStyleError, WrongFieldError

LENGTH_WORDS = ("very short", "short", "medium-length", "long", "very long")
ANY_LENGTH = "any"
DEFAULT_LENGTH = "long"
DEFAULT_STYLE = "descriptive"
WORD_COUNT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
# In characters; no honest client comes near. The model's whole context has some 15 000.
MAX_PROMPT, MAX_NAME, MAX_OPTION, MAX_OPTIONS = 65_536, 1024, 4096, 64
# What Llama 3's tokenizer reads as one special token, wherever it stands in a text.
SPECIAL_TOKEN = re.compile(r"<\|[^|]*\|>")

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
FormName = Literal["prose", "tags", "prompt"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CaptionType(_Strict):
    """The three wordings of a caption type that JoyCaption was trained with, and the form they ask for."""

    form: FormName | None = None
    any: Text
    words: Annotated[Text, Field(pattern=r"\{words\}")]
    length: Annotated[Text, Field(pattern=r"\{length\}")]

    def prompt(self, length: str) -> str:
        """Gives the wording for `length`: `any`, one of LENGTH_WORDS, or digits that count words.

        Raises WrongFieldError.
        """
        if length == ANY_LENGTH:
            return self.any
        if length in LENGTH_WORDS:
            return self.length.replace("{length}", length)
        if WORD_COUNT.fullmatch(length):
            return self.words.replace("{words}", length)
        known = ", ".join((ANY_LENGTH, *LENGTH_WORDS))
        raise WrongFieldError("length", f"must be one of {known}, or a number of words")


class PromptStyle(_Strict):
    """A style with a prompt of its own, and the form that it asks for."""

    prompt: Text
    form: FormName | None = None


class TypeStyle(_Strict):
    """A style that stands for a caption type at any length."""

    caption_type: Text


class SamplingDefaults(_Strict):
    """What is sent where a request says nothing. A `top_k` of 0 cuts nothing.

    `dataset_max_tokens` stands for `max_tokens` in dataset runs, by default as in the model's card.
    """

    temperature: float = Field(ge=0.0, le=2.0)
    top_p: float = Field(gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    max_tokens: int = Field(ge=1, le=2048)
    dataset_max_tokens: int = Field(default=512, ge=1, le=2048)


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


class PromptBook(_Strict):
    """The contents of styles.json, checked."""

    system_prompt: Text
    sampling: SamplingDefaults
    styles: dict[Text, Text | PromptStyle | TypeStyle] = Field(min_length=1)
    caption_types: dict[Text, CaptionType]
    caption_type_aliases: dict[Text, Text] = {}
    extra_options: list[Text] = []

    @classmethod
    def parse(cls, content: bytes, source: str) -> "PromptBook":
        """Reads the JSON in `content`.

        Raises SettingsError, naming `source` and the place of the first mistake.
        """
        try:
            book = cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
            raise SettingsError(f"{source}: {place}: {first['msg']}") from error
        book._check_references(source)
        return book

    def _check_references(self, source: str) -> None:
        named = {
            f"styles.{name}.caption_type": style.caption_type
            for name, style in self.styles.items()
            if isinstance(style, TypeStyle)
        }
        named |= {
            f"caption_type_aliases.{name}": target for name, target in self.caption_type_aliases.items()
        }
        for place, target in named.items():
            if target not in self.caption_types:
                raise SettingsError(f"{source}: {place}: there is no caption type {target!r}")
        if DEFAULT_STYLE not in self.styles:
            raise SettingsError(f"{source}: styles: the style {DEFAULT_STYLE!r} must be there")

    @property
    def default_sampling(self) -> Sampling:
        """What is sent where a request says nothing."""
        return Sampling(**self.sampling.model_dump(exclude={"dataset_max_tokens"}))

    @cached_property
    def briefs(self) -> Briefs:
        """What the prompts of this book ask for."""
        return Briefs(self._wordings(), self.extra_options)

    def _wordings(self) -> Iterator[tuple[str, Form | None]]:
        for kind in self.caption_types.values():
            for wording in (kind.any, kind.words, kind.length):
                yield wording, Form(kind.form) if kind.form else None
        for style in self.styles.values():
            if isinstance(style, PromptStyle):
                yield style.prompt, Form(style.form) if style.form else None

    @property
    def style_prompts(self) -> Mapping[str, str]:
        """Each style's prompt."""
        return MappingProxyType({name: self._style_prompt(name) for name in self.styles})

    def caption_type(self, name: str) -> CaptionType | None:
        """Gives the caption type of that name or alias, None where there is none."""
        return self.caption_types.get(self.caption_type_aliases.get(name, name))

    def require_caption_type(self, name: str) -> CaptionType:
        """Gives the caption type of that name or alias. Raises UnknownStyleError, naming the known ones."""
        found = self.caption_type(name)
        if found is None:
            known = ", ".join(self.caption_types)
            raise UnknownStyleError(f"Unknown caption type: {name}. Known types: {known}", "caption_type")
        return found

    def prompt(self, choice: PromptChoice) -> str:
        """Gives the prompt for a choice: `prompt` as it is, else the caption type's, else the style's.

        An unknown caption type counts as none; a style that is a caption type's name counts as that type. The
        options follow. Raises UnknownStyleError, and WrongFieldError for an unknown length or a special
        token.
        """
        if choice.prompt:
            refuse_long(choice.prompt, MAX_PROMPT, "prompt")
            refuse_special_tokens(choice.prompt, "prompt")
            return choice.prompt
        known = self.caption_type(choice.caption_type) if choice.caption_type else None
        if known is None and choice.style not in self.styles:
            known = self.caption_type(choice.style)
        return with_options(
            known.prompt(choice.length) if known else self._style_prompt(choice.style), choice
        )

    def _style_prompt(self, name: str) -> str:
        style = self.styles.get(name)
        if style is None:
            known = ", ".join(self.styles)
            raise UnknownStyleError(f"Unknown prompt style: {name}. Known styles: {known}", "style")
        match style:
            case TypeStyle():
                return self.caption_types[style.caption_type].any
            case PromptStyle():
                return style.prompt
            case _:
                return style


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
