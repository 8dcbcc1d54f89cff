"""What the ledger knows of texts that somebody has looked at and found good, whatever their flaws."""

from collections.abc import Mapping, Sequence

from adapter.dataset.ledger import Ledger
from adapter.dataset.stored_name import from_stored, is_stored, to_stored
from adapter.dataset.verdicts import LOOKUP_CHUNK

HAS_TABLE = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'accepted'"


def accept(ledger: Ledger, hashes: Mapping[str, bytes | None]) -> None:
    """Notes that texts, by the ledger's names for them, are good as they are, or with None no more.

    Raises LedgerError.
    """
    with ledger.transaction() as connection:
        connection.executemany(
            "DELETE FROM accepted WHERE output = ?", [(to_stored(output),) for output in hashes]
        )
        connection.executemany(
            "INSERT INTO accepted VALUES (?,?)",
            [(to_stored(output), digest) for output, digest in hashes.items() if digest is not None],
        )


def accepted_hashes(ledger: Ledger, outputs: Sequence[str]) -> dict[str, bytes]:
    """Gives the hashes of accepted texts by the ledger's names for them. Raises LedgerError."""
    found = {}
    for one in (*ledger.others, ledger):
        if not list(one.rows(HAS_TABLE, ())):
            continue  # a ledger that is only read may be older
        for start in range(0, len(outputs), LOOKUP_CHUNK):
            some = [to_stored(output) for output in outputs[start : start + LOOKUP_CHUNK]]
            marks = ",".join("?" * len(some))
            query = f"SELECT output, hash FROM accepted WHERE output IN ({marks})"  # noqa: S608
            for output, digest in one.rows(query, some):
                if is_stored(output) and isinstance(digest, bytes):
                    found[from_stored(output)] = digest
    return found
