"""Fields of a model as options."""

from typing import Annotated

import cyclopts
from pydantic import BaseModel, Field

from adapter.cli.option_group import option_group


class Fields(BaseModel):
    """A model with two fields."""

    text: str = Field("", description="A text.")
    number: int | None = Field(None, description="A number.")


def test_option_group_makes_an_option_of_each_field() -> None:
    """An option takes the word after it, also where that begins with a hyphen."""
    app = cyclopts.App(result_action="return_value")
    seen: list[Fields | None] = []

    @app.default
    def command(*, fields: Annotated[Fields | None, option_group("Title")] = None) -> None:
        seen.append(fields)

    app(["--text", "-", "--number", "3"], exit_on_error=False)
    app([], exit_on_error=False)
    assert seen == [Fields(text="-", number=3), None]
