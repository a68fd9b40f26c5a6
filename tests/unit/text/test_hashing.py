"""Hashes are kept with what earlier runs left, so that they are the same in each release."""

from __future__ import annotations

from math import isqrt

import numpy as np

from steward.text.hashing import HASH_BASE, HASH_FOLD, invert_base, list_powers, mix_bits


def test_numbers_are_mixed_as_splitmix64_does() -> None:
    """Vigna's splitmix64.c begins at 0 with e220a8397b1dcdaf."""
    mixed = mix_bits(np.array([0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A], np.uint64))
    assert mixed.tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_the_bases_are_the_published_ones() -> None:
    """2^64 · (√5 - 1) / 2, rounded down; and Steele and Vigna's multiplier for 64 bits."""
    assert (isqrt(5 << 128) - 2**64) // 2 == HASH_BASE
    assert int(HASH_FOLD) == 0xD1342543DE82EF95


def test_a_power_and_that_of_the_inverse_are_one() -> None:
    powers, inverses = list_powers(HASH_BASE, 1000), list_powers(invert_base(), 1000)
    assert powers[:3].tolist() == [1, HASH_BASE, HASH_BASE**2 % 2**64]
    assert (powers * inverses == 1).all()
    assert list_powers(3, 0).tolist() == []
