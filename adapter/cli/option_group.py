"""How a command takes the fields of a model: as options of its own, in a group of the help."""

from typing import Any

from cyclopts import Group, Parameter


def option_group(title: str, order: int = 0, *, show_default: bool = False) -> Parameter:
    """Declares that a parameter's fields are options, under that title in the help.

    An option takes the word after it, also where that begins with a hyphen: `--engine-args --enforce-eager`,
    `--from-file -`.
    """
    return Parameter(
        name="*",
        group=Group(title, sort_key=order),
        show_default=_shown_default if show_default else False,
        negative_none=(),
        allow_leading_hyphen=True,
    )


def _shown_default(value: Any) -> str | None:
    """Gives a default as the help shows it; the help says nothing where there is none."""
    return None if value is None else str(value)
