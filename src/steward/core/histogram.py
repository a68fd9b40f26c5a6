"""Histograms of positive values that merge, and answer quantiles within a stated relative error.

A value falls into the bucket of its logarithm, as in DDSketch (Masson, Rim and Lee, 2019: "DDSketch: A fast and
fully-mergeable quantile sketch with relative-error guarantees", section 2.1): bucket i holds the values in
(GAMMA^(i-1), GAMMA^i], and 2 * GAMMA^i / (GAMMA + 1) is within RELATIVE_ERROR of each of them. Values are held between
LEAST and MOST, so that there are at most about 1,800 buckets and none has to be merged with another.

Ours rather than the package `ddsketch`: that one writes a sketch through protobuf alone, which the base installation
does not have, and in five times the bytes (decision 0030).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from math import ceil, isfinite, log
from typing import Final

import msgspec

from steward.core.errors import Contradiction

RELATIVE_ERROR: Final = 0.01
GAMMA: Final = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
LEAST: Final = 1e-7
MOST: Final = 1e9
_PER_LOG: Final = 1.0 / log(GAMMA)
_FIRST: Final = ceil(log(LEAST) * _PER_LOG)
_LAST: Final = ceil(log(MOST) * _PER_LOG)
_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(list[int])

Buckets = dict[int, int]  # how many values each bucket holds


def find_bucket(value: float) -> int:
    """The bucket of a positive value.

    >>> find_bucket(1.0), find_bucket(GAMMA), find_bucket(1e300) == find_bucket(MOST)
    (0, 1, True)
    """
    if value <= LEAST:
        return _FIRST
    return _LAST if value >= MOST else ceil(log(value) * _PER_LOG - 1e-9)


def bucket_value(bucket: int) -> float:
    """What stands for all values of a bucket: the point at equal relative distance from its ends."""
    return float(2.0 * GAMMA**bucket / (GAMMA + 1.0))


def observe(buckets: Buckets, value: float | None) -> None:
    """Count a value; one that is not known, not finite or not positive does not count."""
    if value is None or not value > 0.0 or not isfinite(value):
        return
    bucket = find_bucket(value)
    buckets[bucket] = buckets.get(bucket, 0) + 1


def merge(into: Buckets, other: Mapping[int, int]) -> None:
    """Count what `other` has counted, too."""
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def count_values(buckets: Mapping[int, int]) -> int:
    return sum(buckets.values())


def count_above(buckets: Mapping[int, int], bound: float) -> int:
    """How many values are above `bound`, as well as buckets tell: values within RELATIVE_ERROR of it may count either
    way."""
    return sum(count for bucket, count in buckets.items() if bucket_value(bucket) > bound)


def find_quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The value at rank `share` * (n - 1), within RELATIVE_ERROR; None: there is no value.

    >>> buckets = {}
    >>> for value in (1.0, 2.0, 3.0): observe(buckets, value)
    >>> 1.98 <= find_quantile(buckets, 0.5) <= 2.02
    True
    """
    total = count_values(buckets)
    if not total:
        return None
    rank, seen = share * (total - 1), 0
    ordered = sorted(buckets.items())
    for bucket, count in ordered:
        seen += count
        if seen > rank:
            return bucket_value(bucket)
    return bucket_value(ordered[-1][0])


def find_mean(buckets: Mapping[int, int]) -> float | None:
    """Within RELATIVE_ERROR of the mean of all values; None: there is none."""
    total = count_values(buckets)
    return sum(bucket_value(bucket) * count for bucket, count in buckets.items()) / total if total else None


def encode_buckets(buckets: Mapping[int, int]) -> bytes:
    """The first bucket and its count, then for each further one how far it is from the one before, and its count."""
    if not buckets:
        return b""
    ordered = sorted(buckets.items())
    gaps = chain((ordered[0][0],), (after[0] - before[0] for before, after in pairwise(ordered)))
    return _encode([number for gap, (_, count) in zip(gaps, ordered, strict=True) for number in (gap, count)])


def decode_buckets(encoded: bytes) -> Buckets:
    """:raises Contradiction: these bytes are no histogram"""
    if not encoded:
        return {}
    try:
        numbers = _decoder.decode(encoded)
    except msgspec.MsgspecError as error:
        raise Contradiction(f"a histogram that cannot be read: {error}") from error
    if len(numbers) % 2:
        raise Contradiction("a histogram that cannot be read: an odd number of values")
    return dict(zip(accumulate(numbers[::2]), numbers[1::2], strict=True))


def count_encoded(encoded: bytes, bound: float) -> tuple[int, int]:
    """How many values a histogram holds, and how many of them `count_above` finds above `bound`, without taking it
    apart. :raises Contradiction: these bytes are no histogram"""
    buckets = decode_buckets(encoded)
    counts = list(buckets.values())  # of buckets in their order
    return sum(counts), sum(counts[bisect_left(list(buckets), _find_first_above(bound)) :])


@lru_cache(maxsize=256)
def _find_first_above(bound: float) -> int:
    bucket = find_bucket(max(bound, LEAST)) - 1
    while bucket_value(bucket) <= bound and bucket <= _LAST:
        bucket += 1
    return bucket


def merge_into(total: Buckets, encoded: bytes) -> None:
    """Count what `encoded` has counted, too: faster than to decode it first.

    :raises Contradiction: these bytes are no histogram
    """
    if not encoded:
        return
    try:
        numbers = iter(_decoder.decode(encoded))
    except msgspec.MsgspecError as error:
        raise Contradiction(f"a histogram that cannot be read: {error}") from error
    place, get = 0, total.get
    try:
        for gap, count in zip(numbers, numbers, strict=True):
            place += gap
            total[place] = get(place, 0) + count
    except ValueError as error:
        raise Contradiction("a histogram that cannot be read: an odd number of values") from error


def merge_encoded(parts: Iterable[bytes]) -> Buckets:
    """All of them as one. :raises Contradiction: one that cannot be read"""
    total: Buckets = {}
    for encoded in parts:
        merge_into(total, encoded)
    return total
