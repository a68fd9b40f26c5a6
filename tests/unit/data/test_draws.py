import numpy as np
import pytest
import xxhash

from steward.data.draws import hash_share


def test_shares_are_the_hash_of_purpose_and_key_from_0_to_1() -> None:
    """XXH3 of 64 bits, by its reference library."""
    assert hash_share("a", 3, "split ") == xxhash.xxh3_64_intdigest(b"split a", seed=3) / 2**64
    assert hash_share("\ud800", 0) != hash_share("", 0)
    shares = np.array([hash_share(str(number), 0) for number in range(10_000)])
    assert shares.min() >= 0 and shares.max() < 1
    assert shares.mean() == pytest.approx(0.5, abs=0.02)  # seven standard errors of 0.0029


def test_purposes_and_seeds_decide_independently() -> None:
    first, second, third = (
        np.array([hash_share(str(number), seed, purpose) for number in range(10_000)])
        for seed, purpose in ((0, ""), (1, ""), (0, "split "))
    )
    assert abs(np.corrcoef([first, second, third])[np.triu_indices(3, 1)]).max() < 0.05  # five standard errors
