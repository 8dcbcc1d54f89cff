"""Names of files as a ledger keeps them: text, or bytes where they aren't UTF-8."""

import os

Stored = str | bytes


def to_stored(name: str) -> Stored:
    """Gives what stands in the ledger for a name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def from_stored(stored: Stored) -> str:
    """Gives the name that `stored` stands for."""
    return os.fsdecode(stored) if isinstance(stored, bytes) else stored


def is_stored(*values: object) -> bool:
    """Tells whether values from a ledger, which may hold anything, are names."""
    return all(isinstance(value, str | bytes) and value for value in values)


def stored_order(name: str) -> tuple[bool, Stored]:
    """Gives what sorts names as SQLite sorts them: text by its characters, and bytes after all text."""
    stored = to_stored(name)
    return isinstance(stored, bytes), stored
