"""Hashes of arrays of 64-bit numbers, the same in every process and release: what they decide is kept on disk.

Ours, because a library's hash is a call for each word; here thousands of words are hashed by a few NumPy passes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

HASH_BASE: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: odd, bits well spread
HASH_FOLD: Final = np.uint64(0xD1342543DE82EF95)  # Steele and Vigna 2021, Computationally easy … multipliers, table 5


def mix_bits(values: U64) -> U64:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection whose every bit depends on every bit."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def list_powers(base: int, count: int) -> U64:
    """1, `base`, `base`², … modulo 2⁶⁴, (count,).

    >>> list_powers(3, 4).tolist()
    [1, 3, 9, 27]
    """
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def invert_base() -> int:
    """The number that `HASH_BASE` times it is 1, modulo 2⁶⁴."""
    return pow(HASH_BASE, -1, 2**64)
