"""Histograms with a stated relative error."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec
import pytest

from steward.core.errors import Contradiction
from steward.core.histogram import (
    GAMMA,
    LEAST,
    MOST,
    RELATIVE_ERROR,
    Buckets,
    MergedHistogram,
    add_to_encoded,
    bucket_value,
    count_above,
    count_all,
    count_encoded,
    count_values,
    decode_buckets,
    encode_buckets,
    find_bucket,
    find_mean,
    find_quantile,
    merge,
    merge_encoded,
    merge_into,
    observe,
    pack_encoded,
    read_part,
    unpack,
)


def collect(values: list[float]) -> Buckets:
    buckets: Buckets = {}
    for value in values:
        observe(buckets, value)
    return buckets


def test_gamma_is_that_of_ddsketch() -> None:
    assert pytest.approx(1.01 / 0.99) == GAMMA  # (1 + alpha) / (1 - alpha): Masson et al. 2019, section 2.1
    assert RELATIVE_ERROR == 0.01


@pytest.mark.parametrize("value", [1e-6, 0.001, 0.5, 1.0, 1.00001, GAMMA, 3.7, 1e4, 9e8])
def test_a_bucket_stands_for_its_values_within_the_error(value: float) -> None:
    assert abs(bucket_value(find_bucket(value)) - value) <= RELATIVE_ERROR * value * (1 + 1e-6)


@pytest.mark.parametrize(("value", "same"), [(1e-12, LEAST), (1e300, MOST), (math.nextafter(0.0, 1.0), LEAST)])
def test_what_is_beyond_the_bounds_counts_at_them(value: float, same: float) -> None:
    assert find_bucket(value) == find_bucket(same)


def test_at_the_least_and_the_most() -> None:
    assert find_bucket(LEAST) < find_bucket(LEAST * 1.1) < find_bucket(MOST / 1.1) < find_bucket(MOST)
    assert find_bucket(MOST) - find_bucket(LEAST) < 1850


@pytest.mark.parametrize("value", [None, 0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_positive_number_does_not_count(value: float | None) -> None:
    buckets: Buckets = {}
    observe(buckets, value)
    assert buckets == {}


SHAPES: dict[str, Callable[[random.Random], float]] = {
    "lognormal": lambda source: source.lognormvariate(-1.0, 1.0),
    "two peaks": lambda source: source.gauss(0.2, 0.02) if source.random() < 0.7 else source.gauss(8.0, 0.5),
    "heavy tail": lambda source: 0.05 * source.paretovariate(1.2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_quantiles_of_a_million_values_are_within_the_stated_error(shape: str) -> None:
    source = random.Random(17)
    values = sorted(SHAPES[shape](source) for _ in range(1_000_000))
    parts = [collect(values[start::4]) for start in range(4)]  # as four processes would count them
    whole = merge_encoded(encode_buckets(part) for part in parts)
    for share in (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0):
        exact = values[math.floor(share * 999_999)]
        estimate = find_quantile(whole, share)
        assert estimate is not None
        assert abs(estimate - exact) <= RELATIVE_ERROR * exact * (1 + 1e-6), share
    mean = find_mean(whole)
    assert mean is not None
    assert mean == pytest.approx(sum(values) / len(values), rel=RELATIVE_ERROR)


def test_nothing_has_no_quantile_and_no_mean() -> None:
    assert find_quantile({}, 0.5) is None
    assert find_mean({}) is None
    assert count_values({}) == 0


def test_one_value_is_every_quantile() -> None:
    buckets = collect([2.0])
    assert find_quantile(buckets, 0.0) == find_quantile(buckets, 1.0) == find_mean(buckets)


def test_the_rank_is_that_of_n_minus_one() -> None:
    buckets = collect([1.0, 10.0])
    assert find_quantile(buckets, 0.99) == bucket_value(find_bucket(1.0))  # rank 0.99 of 0..1 is still the first
    assert find_quantile(buckets, 1.0) == bucket_value(find_bucket(10.0))


def test_values_above_a_bound() -> None:
    buckets = collect([0.1, 1.0, 1.0, 5.0])
    assert [count_above(buckets, bound) for bound in (0.05, 0.5, 1.1, 5.2)] == [4, 3, 1, 0]


def test_merging_adds() -> None:
    first, second = collect([1.0, 2.0]), collect([2.0, 3.0])
    merge(first, second)
    assert first == collect([1.0, 2.0, 2.0, 3.0])


@pytest.mark.parametrize("values", [[], [1.0], [1e-6, 1.0, 1.0, 1e6], [0.5] * 70_000])
def test_what_is_encoded_is_decoded(values: list[float]) -> None:
    buckets = collect(values)
    assert decode_buckets(encode_buckets(buckets)) == buckets


def test_a_histogram_of_twenty_thousand_takes_under_a_kilobyte() -> None:
    source = random.Random(1)
    assert len(encode_buckets(collect([source.lognormvariate(0, 1) for _ in range(20_000)]))) < 1000


def test_bytes_that_are_no_histogram() -> None:
    with pytest.raises(Contradiction, match="histogram that cannot be read"):
        decode_buckets(b"\xc1")
    with pytest.raises(Contradiction, match="an odd number of values"):
        decode_buckets(b"\x91\x01")


def test_encoded_counts_merge_as_decoded_ones_do() -> None:
    total = {3: 1, -5: 2}
    other = {-7: 4, 3: 2, 900: 1}
    merge_into(total, encode_buckets(other))
    assert total == {3: 3, -5: 2, -7: 4, 900: 1}
    merge_into(total, b"")
    assert total == {3: 3, -5: 2, -7: 4, 900: 1}


@pytest.mark.parametrize("wrong", [b"\x93\x01\x02\x03", b"\xc1", b"\x01"])  # an odd number of values; no list
def test_what_is_no_histogram_does_not_merge(wrong: bytes) -> None:
    with pytest.raises(Contradiction):
        merge_into({}, wrong)


@pytest.mark.parametrize("bound", [0.0, 1e-9, 0.5, 1.0, 1.02, 2.0, 1e8, 1e12])
def test_an_encoded_histogram_is_counted_as_one_that_is_taken_apart(bound: float) -> None:
    buckets: dict[int, int] = {}
    for value in (0.001, 0.5, 1.0, 1.0, 1.01, 2.0, 3e7):
        observe(buckets, value)
    assert count_encoded(encode_buckets(buckets), bound) == (7, count_above(buckets, bound))
    assert count_encoded(b"", bound) == (0, 0)


PARTS: list[dict[int, int]] = [
    {}, {0: 1}, {3: 2, 9: 1}, {-805: 7, 1037: 2**40}, {place: place % 7 + 1 for place in range(-200, 200)},
    {place: 1 for place in range(-300, 300, 3)},
]  # fmt: skip


@pytest.mark.parametrize("buckets", PARTS)
def test_what_is_packed_is_unpacked(buckets: dict[int, int]) -> None:
    assert unpack(pack_encoded(encode_buckets(buckets))) == buckets


def test_packed_and_small_parts_merge_as_histograms_do() -> None:
    expected: dict[int, int] = {}
    merged, twice = MergedHistogram(), MergedHistogram()
    for buckets in PARTS:
        merge(expected, buckets)
        merged.add(read_part(encode_buckets(buckets)))
    assert merged.read() == expected
    twice.add_all(merged)
    twice.add_all(merged)
    assert twice.read() == {bucket: 2 * count for bucket, count in expected.items()}
    assert merged.read() == expected and MergedHistogram().read() == {}


def test_many_buckets_are_packed_and_few_are_not() -> None:
    few, many = encode_buckets({place: 1 for place in range(78)}), encode_buckets({place: 1 for place in range(80)})
    assert isinstance(read_part(few), dict) and isinstance(read_part(many), int)


@pytest.mark.parametrize("numbers", [[1], [1, 2, 3], [-806, 1], [1, -1], [1, 1, -5, 1], [1037, 1, 1, 1], "x"])
def test_what_is_no_histogram_is_not_packed(numbers: object) -> None:
    """An odd number of values, buckets that there are not, counts below 0, no list."""
    with pytest.raises(Contradiction, match="histogram that cannot be read"):
        pack_encoded(msgspec.msgpack.encode(numbers))


@pytest.mark.parametrize("empty", range(4))
def test_buckets_with_empty_ones_between_them_are_packed_as_they_are(empty: int) -> None:
    buckets: Buckets = {10: 3, 11: 1, 12 + empty: 5, 13 + empty: 7}
    assert unpack(pack_encoded(encode_buckets(buckets))) == buckets


@pytest.mark.parametrize("seed", range(5))
def test_many_values_count_as_one_after_the_other(seed: int) -> None:
    drawn = random.Random(seed)
    odd: list[float | None] = [None, 0.0, -1.0, math.nan, math.inf, 1e-9, LEAST, MOST, 1e300]
    values = odd + [drawn.lognormvariate(0.0, 8.0) for _ in range(500)]
    expected: dict[int, int] = {}
    for value in values:
        observe(expected, value)
    assert count_all(values) == expected


@pytest.mark.parametrize(
    ("there", "added"),
    [({}, {}), ({}, {3: 1}), ({3: 1}, {}), ({3: 1, 7: 2}, {7: 5}), ({3: 1, 7: 2}, {5: 1, 7: 1, -2: 9})],
)
def test_what_is_added_to_an_encoded_histogram_is_merged(there: dict[int, int], added: dict[int, int]) -> None:
    both = dict(there)
    merge(both, added)
    assert add_to_encoded(encode_buckets(there), added) == encode_buckets(both)


def test_nothing_is_added_to_what_is_no_histogram() -> None:
    with pytest.raises(Contradiction, match="cannot be read"):
        add_to_encoded(b"\xff", {1: 1})
