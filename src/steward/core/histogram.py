"""Histograms of positive values that merge, and answer quantiles within a stated relative error.

A value falls into the bucket of its logarithm, as in DDSketch (Masson, Rim and Lee, 2019: "DDSketch: A fast and
fully-mergeable quantile sketch with relative-error guarantees", section 2.1): bucket i holds the values in
(GAMMA^(i-1), GAMMA^i], and 2 * GAMMA^i / (GAMMA + 1) is within RELATIVE_ERROR of each of them. Values are held between
LEAST and MOST, so that there are at most about 1,800 buckets and none has to be merged with another.

Ours rather than the package `ddsketch`: that one writes a sketch through protobuf alone, which the base installation
does not have, and in five times the bytes (decision 0030).
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, chain
from math import ceil, inf, isfinite, log
from operator import sub
from typing import Final

import msgspec

from steward.core.errors import Contradiction

RELATIVE_ERROR: Final = 0.01
GAMMA: Final = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
LEAST: Final = 1e-7
MOST: Final = 1e9
_PER_LOG: Final = 1.0 / log(GAMMA)
_FEW_BYTES: Final = 160  # of an encoded histogram: about 80 buckets, from which on packing pays
_WORD: Final = 64  # bits of a count in a packed histogram
_FIRST: Final = ceil(log(LEAST) * _PER_LOG)
_LAST: Final = ceil(log(MOST) * _PER_LOG)
_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(list[int])

Buckets = dict[int, int]  # how many values each bucket holds
Packed = int  # the same as one number: 64 bits a bucket, from the first one on; packed histograms merge as they add up
HistogramPart = Packed | Buckets


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


def count_all(values: Iterable[float | None]) -> Buckets:
    """All of `values`, as `observe` counts each, in less than its time.

    >>> count_all([1.0, None, -1.0, float("inf"), GAMMA, GAMMA, 1e300]) == {0: 1, 1: 2, find_bucket(MOST): 1}
    True
    """
    buckets: Buckets = {}
    get = buckets.get
    places = [log(value) * _PER_LOG - 1e-9 for value in values if value is not None and 0.0 < value < inf]
    for bucket in map(ceil, places):
        buckets[bucket] = get(bucket, 0) + 1
    for bucket in [bucket for bucket in buckets if not _FIRST <= bucket <= _LAST]:
        merge(buckets, {min(max(bucket, _FIRST), _LAST): buckets.pop(bucket)})
    return buckets


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
    places, counts = zip(*sorted(buckets.items()), strict=True)
    gaps = chain(places[:1], map(sub, places[1:], places))
    return _encode(list(chain.from_iterable(zip(gaps, counts, strict=True))))


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


def add_to_encoded(encoded: bytes, added: Buckets) -> bytes:
    """What `encode_buckets` makes of both. Where no bucket is new, as in a histogram that has seen much, the others are
    neither sorted nor made anew.

    :raises Contradiction: these bytes are no histogram
    """
    if not encoded or not added:
        return encoded or encode_buckets(added)
    try:
        numbers = _decoder.decode(encoded)
    except msgspec.MsgspecError as error:
        raise Contradiction(f"a histogram that cannot be read: {error}") from error
    places = dict(zip(accumulate(numbers[::2]), range(1, len(numbers), 2), strict=False))
    try:
        for bucket, count in added.items():
            numbers[places[bucket]] += count
    except KeyError:
        total = decode_buckets(encoded)
        merge(total, added)
        return encode_buckets(total)
    return _encode(numbers)


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


class MergedHistogram:
    """Many histograms as one. A part of many buckets is added as one number, one of few bucket by bucket."""

    __slots__ = ("_buckets", "_packed")

    def __init__(self) -> None:
        self._packed: Packed = 0
        self._buckets: Buckets = {}

    def add(self, part: HistogramPart) -> None:
        if isinstance(part, int):
            self._packed += part
        else:
            merge(self._buckets, part)

    def add_all(self, other: MergedHistogram) -> None:
        self._packed += other._packed
        merge(self._buckets, other._buckets)

    def read(self) -> Buckets:
        total = unpack(self._packed)
        merge(total, self._buckets)
        return total


def read_part(encoded: bytes) -> HistogramPart:
    """What `MergedHistogram` adds fastest where it adds it several times.

    :raises Contradiction: these bytes are no histogram
    """
    return pack_encoded(encoded) if len(encoded) > _FEW_BYTES else decode_buckets(encoded)


def pack_encoded(encoded: bytes) -> Packed:
    """For histograms that are merged several times: to add a packed one costs a tenth of `merge`.

    :raises Contradiction: these bytes are no histogram
    """
    if not encoded:
        return 0
    try:
        numbers = _decoder.decode(encoded)
        words, gaps, counts, begin = array("Q"), numbers[::2], numbers[1::2], 0
        if len(numbers) % 2 or gaps[0] < _FIRST or sum(gaps) > _LAST:
            raise Contradiction("a histogram that cannot be read: an odd number of values, or a bucket that is none")
        for place in [place for place, gap in enumerate(gaps) if gap != 1 and place]:  # where a run of buckets ends
            words.extend(counts[begin:place])
            words.frombytes(bytes(8 * (gaps[place] - 1)))
            begin = place
        words.extend(counts[begin:])
    except (msgspec.MsgspecError, OverflowError, ValueError, IndexError) as error:
        raise Contradiction(f"a histogram that cannot be read: {error}") from error
    return int.from_bytes(_swap(words).tobytes(), "little") << (_WORD * (gaps[0] - _FIRST))


def unpack(packed: Packed) -> Buckets:
    """
    >>> unpack(pack_encoded(encode_buckets({3: 2, 9: 1})) + pack_encoded(encode_buckets({9: 5})))
    {3: 2, 9: 6}
    """
    if not packed:
        return {}
    first = ((packed & -packed).bit_length() - 1) // _WORD  # of the buckets that hold something
    packed >>= first * _WORD
    words = array("Q")
    words.frombytes(packed.to_bytes(8 * -(-packed.bit_length() // _WORD), "little"))
    return {bucket: count for bucket, count in enumerate(_swap(words), first + _FIRST) if count}


def _swap(words: array[int]) -> array[int]:
    """Little-endian, whatever the machine is."""
    if sys.byteorder == "big":
        words.byteswap()
    return words
