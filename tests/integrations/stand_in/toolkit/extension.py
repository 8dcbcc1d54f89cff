"""Stands in for AI-Toolkit's base class of extensions."""

from typing import Any


class Extension:
    """What AI-Toolkit looks up by `uid`."""

    name: str
    uid: str

    @classmethod
    def get_process(cls) -> Any:
        """Gives the class of the process."""
