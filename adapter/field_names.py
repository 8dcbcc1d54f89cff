"""Gives a field that is at fault the name that a face's users know it by."""

import contextlib
from collections.abc import Iterator, Mapping

from adapter.errors import InvalidRequestError


@contextlib.contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[None]:
    """Renames the field of any InvalidRequestError that is raised in the context, where `names` has it."""
    try:
        yield
    except InvalidRequestError as error:
        error.field = names.get(error.field or "", error.field)
        raise
