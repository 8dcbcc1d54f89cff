"""styles.json and what becomes of it: the text that the model is asked with.

Pure but for `PromptBook.load`. Which fields a request has, and their names on the wire, is the faces'
business.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapter.errors import InvalidRequestError, SettingsError, UnknownStyleError

LENGTH_WORDS = ("very short", "short", "medium-length", "long", "very long")
ANY_LENGTH = "any"
DEFAULT_LENGTH = "long"
DEFAULT_STYLE = "descriptive"
WORD_COUNT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
# What Llama 3's tokenizer reads as one special token, wherever it stands in a text.
SPECIAL_TOKEN = re.compile(r"<\|[^|]*\|>")

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CaptionType(_Strict):
    """The three wordings of a caption type that JoyCaption was trained with."""

    any: Text
    words: Annotated[Text, Field(pattern=r"\{words\}")]
    length: Annotated[Text, Field(pattern=r"\{length\}")]

    def prompt(self, length: str) -> str:
        """The wording for `length`: `any`, one of LENGTH_WORDS, or digits as a number of words."""
        if length == ANY_LENGTH:
            return self.any
        if length in LENGTH_WORDS:
            return self.length.replace("{length}", length)
        if WORD_COUNT.fullmatch(length):
            return self.words.replace("{words}", length)
        known = ", ".join((ANY_LENGTH, *LENGTH_WORDS))
        raise InvalidRequestError(
            f"caption_length must be one of {known}, or a number of words", "caption_length"
        )


class TypeStyle(_Strict):
    """A style that stands for a caption type at any length."""

    caption_type: Text


class Sampling(_Strict):
    """What is sent where a request says nothing. `top_k` None: no cut."""

    temperature: float = Field(ge=0.0, le=2.0)
    top_p: float = Field(gt=0.0, le=1.0)
    top_k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(ge=1, le=2048)


class PromptBook(_Strict):
    """The contents of styles.json, checked."""

    system_prompt: Text
    sampling: Sampling
    styles: dict[Text, Text | TypeStyle] = Field(min_length=1)
    caption_types: dict[Text, CaptionType]
    caption_type_aliases: dict[Text, Text] = {}
    extra_options: list[Text] = []

    @classmethod
    def load(cls, path: Path) -> "PromptBook":
        """The book in `path`. Raises SettingsError, naming the place of the first mistake."""
        try:
            book = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise SettingsError(f"{path} can't be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
            raise SettingsError(f"{path}: {place}: {first['msg']}") from error
        book._check_references(path)
        return book

    def _check_references(self, path: Path) -> None:
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
                raise SettingsError(f"{path}: {place}: there is no caption type {target!r}")
        if DEFAULT_STYLE not in self.styles:
            raise SettingsError(f"{path}: styles: the style {DEFAULT_STYLE!r} must be there")

    @property
    def style_prompts(self) -> Mapping[str, str]:
        """Each style's prompt."""
        return MappingProxyType({name: self._style_prompt(name) for name in self.styles})

    def caption_type(self, name: str) -> CaptionType | None:
        """The caption type of that name or alias, None when there is none."""
        return self.caption_types.get(self.caption_type_aliases.get(name, name))

    def require_caption_type(self, name: str) -> CaptionType:
        """The caption type of that name or alias. Raises UnknownStyleError naming the known ones."""
        found = self.caption_type(name)
        if found is None:
            known = ", ".join(self.caption_types)
            raise UnknownStyleError(f"Unknown caption type: {name}. Known types: {known}", "caption_type")
        return found

    def build(
        self,
        *,
        prompt: str | None = None,
        caption_type: str | None = None,
        caption_length: str = DEFAULT_LENGTH,
        style: str = DEFAULT_STYLE,
        extra_options: Sequence[str] = (),
        name: str = "",
    ) -> str:
        """The prompt for these choices: `prompt` as it is, else the caption type's, else the style's.

        An unknown caption type counts as none; a style that is a caption type's name counts as that
        type. Options follow after one space each, `{name}` in them replaced by `name`, or by `{NAME}`
        where that is empty. Raises UnknownStyleError, and InvalidRequestError for a length that is
        none or for text with a special token in it.
        """
        if prompt:
            refuse_special_tokens(prompt, "prompt")
            return prompt
        known = self.caption_type(caption_type) if caption_type else None
        if known is None and style not in self.styles:
            known = self.caption_type(style)
        return self.append_options(
            known.prompt(caption_length) if known else self._style_prompt(style), extra_options, name
        )

    def append_options(self, text: str, extra_options: Sequence[str], name: str = "") -> str:
        """`text` with the options after it, as `build` does."""
        refuse_special_tokens(name, "name_input")
        for option in extra_options:
            refuse_special_tokens(option, "extra_options")
        named = (option.replace("{name}", name.strip() or "{NAME}") for option in extra_options)
        whole = " ".join([text, *(option.strip() for option in named if option.strip())])
        refuse_special_tokens(whole, "extra_options")  # put together from harmless pieces
        return whole

    def _style_prompt(self, name: str) -> str:
        style = self.styles.get(name)
        if style is None:
            known = ", ".join(self.styles)
            raise UnknownStyleError(f"Unknown prompt style: {name}. Known styles: {known}", "style")
        if isinstance(style, TypeStyle):
            return self.caption_types[style.caption_type].any
        return style


def refuse_special_tokens(text: str, field: str) -> None:
    """Raises InvalidRequestError when the tokenizer would read a part of `text` as a special token."""
    found = SPECIAL_TOKEN.search(text)
    if found:
        raise InvalidRequestError(
            f"{field} holds {found.group()}, which the model reads as a control token: remove it",
            field,
        )
