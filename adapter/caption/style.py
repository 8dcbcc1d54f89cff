"""Styles, caption types and sampling defaults, as styles.json has them."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapter.errors import WrongFieldError

LENGTH_WORDS = ("very short", "short", "medium-length", "long", "very long")
ANY_LENGTH = "any"
WORD_COUNT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
FormName = Literal["prose", "tags", "prompt"]


class StrictModel(BaseModel):
    """An object of styles.json: every field known, none converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CaptionType(StrictModel):
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


class StyleSampling(StrictModel):
    """What is sent for a style where a request says nothing; None leaves it at what is sent otherwise."""

    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    top_k: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1, le=2048)


class PromptStyle(StrictModel):
    """A style with a prompt of its own, the form that it asks for, and its own sampling defaults."""

    prompt: Text
    form: FormName | None = None
    sampling: StyleSampling | None = None


class TypeStyle(StrictModel):
    """A style that stands for a caption type at any length."""

    caption_type: Text


class SamplingDefaults(StrictModel):
    """What is sent where a request says nothing. A `top_k` of 0 cuts nothing.

    `dataset_max_tokens` stands for `max_tokens` in dataset runs, by default as in the model's card.
    """

    temperature: float = Field(ge=0.0, le=2.0)
    top_p: float = Field(gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    max_tokens: int = Field(ge=1, le=2048)
    dataset_max_tokens: int = Field(default=512, ge=1, le=2048)


Style = Text | PromptStyle | TypeStyle
