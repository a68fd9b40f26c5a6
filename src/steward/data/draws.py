"""Chance that is the same on every machine, for every order of the rows and every number of processes."""

from __future__ import annotations

import xxhash


def hash_share(key: str, seed: int, purpose: str = "") -> float:
    """A number from 0 up to 1, the same for the same key, seed and purpose on every machine (XXH3, 64 bits).

    Stages of different purposes decide independently: what a sample keeps is no part of a split more than another.

    >>> 0 <= hash_share("a", 0) < 1 and len({hash_share("a", 0), hash_share("a", 1), hash_share("a", 0, "split")})
    3
    """
    return xxhash.xxh3_64_intdigest((purpose + key).encode("utf-8", "surrogatepass"), seed=seed) / 2**64
