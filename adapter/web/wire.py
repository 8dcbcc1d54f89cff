"""What the bodies of all HTTP faces have in common: how they are checked, and fields that mean the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from adapter.caption.prompt_choice import DEFAULT_LENGTH, DEFAULT_STYLE, PromptChoice
from adapter.errors import WrongFieldError

MAX_TOKENS = 2048
Model = TypeVar("Model", bound=BaseModel)

# The faces' names for the fields of a `PromptChoice`, where they differ; for `errors.fields_named`.
PROMPT_FIELD_NAMES = {"length": "caption_length", "options": "extra_options", "name": "name_input"}
# What to say in place of pydantic's message, which names Python's types.
PROBLEMS = {
    "missing": "is required",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "tuple_type": "should be a list",
    "union_tag_not_found": "should have a type",
}


def _normal_length(value: Any) -> Any:
    """Takes a word count as a number too, and words in any case."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip().lower() if isinstance(value, str) else value


def _normal_top_k(value: Any) -> Any:
    """Takes -1, which vLLM has for it, as another way to say that nothing is cut."""
    return 0 if value in (0, -1) and not isinstance(value, bool) else value


Temperature = Annotated[float, Field(ge=0.0, le=2.0)]
TopP = Annotated[float, Field(gt=0.0, le=1.0)]
TopK = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_normal_top_k)]


class WireModel(BaseModel):
    """A JSON object in which null counts as absent, unknown fields are ignored, and no type is converted."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}


class PromptOptions(WireModel):
    """The fields that choose a prompt."""

    style: str = DEFAULT_STYLE
    caption_type: str = ""
    caption_length: Annotated[str, BeforeValidator(_normal_length)] = DEFAULT_LENGTH
    extra_options: list[str] = []
    name_input: str = ""

    @property
    def choice(self) -> PromptChoice:
        """What these fields choose, in the project's own names; see PROMPT_FIELD_NAMES."""
        return PromptChoice(
            caption_type=self.caption_type,
            length=self.caption_length,
            style=self.style,
            options=tuple(self.extra_options),
            name=self.name_input,
        )


class OwnPromptOptions(PromptOptions):
    """The same, with a prompt of the user's own, which wins over them."""

    prompt: str = ""

    @property
    def whole_choice(self) -> PromptChoice:
        """What these fields choose, the prompt among them."""
        return replace(self.choice, prompt=self.prompt if self.prompt.strip() else "")


class SampledPromptOptions(OwnPromptOptions):
    """The same, with what decides how the answer is sampled."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None

    @property
    def sampled(self) -> dict[str, float | int | None]:
        """The values that were sent, None for the others."""
        names = ("temperature", "top_p", "top_k", "max_tokens")
        return {name: getattr(self, name) for name in names}


def validate(fields: dict[str, Any], kind: type[Model]) -> Model:
    """Gives `fields` as `kind`.

    Raises WrongFieldError for the first mistake, its field written as `messages[0].content`.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise WrongFieldError(_place(first["loc"]), _problem(first)) from error


def _place(path: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _problem(error: ErrorDetails) -> str:
    """Gives what comes after the field's name in a sentence about the error."""
    kind, message = error["type"], error["msg"]
    if kind in PROBLEMS:
        return PROBLEMS[kind]
    if kind == "union_tag_invalid":
        return f"should have one of the types {error['ctx']['expected_tags']}"
    subject, verb, rest = message.partition(" should ")  # "Input should be ...", "List should have ..."
    return verb.lstrip() + rest if verb and " " not in subject else message.removeprefix("Value error, ")
