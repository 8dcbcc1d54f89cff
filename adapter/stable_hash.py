"""A hash that chance and shares are taken from: the same on every machine and in every version."""

import hashlib

SEED_BITS = 31


def stable_hash(text: str) -> int:
    """Gives 64 bits that depend on the text alone."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def stable_seed(text: str) -> int:
    """Gives a seed for sampling, from 0 up to 2**31 - 1, that depends on the text alone."""
    return stable_hash(text) >> (64 - SEED_BITS)
