"""What the HTTP faces' bodies have in common: how they are checked, and the fields that mean the same."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from adapter.errors import InvalidRequestError
from adapter.prompts import DEFAULT_LENGTH, DEFAULT_STYLE

Model = TypeVar("Model", bound=BaseModel)


def _normal_length(value: Any) -> Any:
    """A word count may come as a number, and words in any case."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip().lower() if isinstance(value, str) else value


def _normal_top_k(value: Any) -> Any:
    """0 and -1 are other ways to say that nothing is cut."""
    return None if value in (0, -1) and not isinstance(value, bool) else value


Temperature = Annotated[float, Field(ge=0.0, le=2.0)]
TopP = Annotated[float, Field(gt=0.0, le=1.0)]
TopK = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_normal_top_k)]


class WireModel(BaseModel):
    """A null counts as absent, unknown fields are ignored, types are taken strictly."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}


class PromptOptions(WireModel):
    """What a prompt is built from, see `PromptBook.build`."""

    style: str = DEFAULT_STYLE
    caption_type: str = ""
    caption_length: Annotated[str, BeforeValidator(_normal_length)] = DEFAULT_LENGTH
    extra_options: list[str] = []
    name_input: str = ""


def validate(fields: dict[str, Any], kind: type[Model]) -> Model:
    """`fields` as `kind`. Raises InvalidRequestError naming the field at fault, as `messages.0.content`."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InvalidRequestError(f"{field} is required", field) from error
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidRequestError(f"{field}: {message}", field) from error
