"""What the bodies of all faces have in common."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from adapter.caption.prompt_choice import PromptChoice
from adapter.errors import WrongFieldError
from adapter.web.wire import PromptOptions, Temperature, TopK, WireModel, validate


class Round(WireModel):
    """A part of one type."""

    type: Literal["round"]
    radius: float


class Square(WireModel):
    """A part of another type."""

    type: Literal["square"]
    side: float


class Drawing(WireModel):
    """A body that has every kind of field."""

    shapes: list[Annotated[Round | Square, Field(discriminator="type")]] = Field(default_factory=list)
    frame: Square | None = None
    lines: tuple[str, ...] = ()
    width: Annotated[int, Field(ge=1)] = 1
    heat: Temperature = 0.0
    top_k: TopK = None


def test_a_null_counts_as_absent() -> None:
    """Unknown fields are ignored as well."""
    assert validate({"style": None, "unknown": 1}, PromptOptions) == PromptOptions()


@pytest.mark.parametrize(("given", "length"), [(20, "20"), ("20", "20"), (" Very Short ", "very short")])
def test_a_length_may_be_written_in_several_ways(given: Any, length: str) -> None:
    """It may be a number, or words in any case."""
    assert validate({"caption_length": given}, PromptOptions).caption_length == length


@pytest.mark.parametrize(("given", "top_k"), [(0, 0), (-1, 0), (40, 40), (None, None)])
def test_top_k_has_two_ways_to_say_that_nothing_is_cut(given: Any, top_k: int | None) -> None:
    """Where it is absent, nothing is said."""
    assert validate({"top_k": given}, Drawing).top_k == top_k


def test_prompt_options_give_a_choice_in_the_projects_own_names() -> None:
    """The faces call three of its fields otherwise."""
    options = PromptOptions(
        style="s", caption_type="t", caption_length="any", extra_options=["a"], name_input="n"
    )
    assert options.choice == PromptChoice(style="s", caption_type="t", length="any", options=("a",), name="n")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"shapes": "a"}, "shapes", "shapes should be a valid list"),
        ({"shapes": [7]}, "shapes[0]", "shapes[0] should be an object"),
        ({"shapes": [{}]}, "shapes[0]", "shapes[0] should have a type"),
        (
            {"shapes": [{"type": "x"}]},
            "shapes[0]",
            "shapes[0] should have one of the types 'round', 'square'",
        ),
        ({"frame": 7}, "frame", "frame should be an object"),
        ({"frame": {"type": "square"}}, "frame.side", "frame.side is required"),
        ({"lines": {}}, "lines", "lines should be a list"),
        ({"lines": ("a", 7)}, "lines[1]", "lines[1] should be a valid string"),
        ({"width": 0}, "width", "width should be greater than or equal to 1"),
        ({"width": "1"}, "width", "width should be a valid integer"),
        ({"heat": 3}, "heat", "heat should be less than or equal to 2"),
        ({"heat": float("nan")}, "heat", "heat should be a finite number"),
        ({"top_k": False}, "top_k", "top_k should be a valid integer"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_that_begins_with_the_field(
    fields: dict[str, Any], field: str, message: str
) -> None:
    """Nothing is converted, and no type of Python's is named."""
    with pytest.raises(WrongFieldError) as caught:
        validate(fields, Drawing)
    assert (caught.value.field, caught.value.message) == (field, message)
