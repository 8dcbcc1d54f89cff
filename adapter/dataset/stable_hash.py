"""A hash that chance and shares are taken from: the same on every machine and in every version."""

import hashlib


def stable_hash(text: str) -> int:
    """Gives 64 bits that depend on the text alone."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")
