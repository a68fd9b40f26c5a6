"""How long the answers of a key on a route usually are: what a stream reserves that declares no maximum.

Each key learns from its own answers only, so that nobody changes what another gets.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from itertools import accumulate
from typing import ClassVar, Final

from steward.gateway.wire import COMMON_OUTPUT_TOKENS

QUANTILE: Final = 0.95
_STEPS: Final = 4  # buckets for each doubling: a bucket's upper edge is at most 19 % above its content
_BUCKETS: Final = 20 * _STEPS
_DECAY_AT: Final = 1000.0  # answers after which old ones begin to count half


class AnswerLengths:
    """Of every key and route; those that were used last are remembered."""

    MOST: ClassVar[int] = 2000

    def __init__(self) -> None:
        self._lengths: OrderedDict[tuple[str, str], OutputLengths] = OrderedDict()

    def learn(self, key_id: str, route: str, tokens: int) -> None:
        lengths = self._lengths.get((key_id, route))
        if lengths is None:
            while len(self._lengths) >= self.MOST:
                self._lengths.popitem(last=False)
            lengths = self._lengths[key_id, route] = OutputLengths()
        lengths.add(tokens)

    def quantile(self, key_id: str, route: str) -> int:
        """Tokens of one answer."""
        lengths = self._lengths.get((key_id, route))
        return COMMON_OUTPUT_TOKENS if lengths is None else lengths.quantile()


class OutputLengths:
    """The upper quantile of one route's answer lengths, learned as they come: what an undeclared maximum reserves.

    A histogram with four buckets for each doubling; counts halve when they exceed 1,000, so that it follows a route
    whose answers change.

    >>> lengths = OutputLengths()
    >>> for tokens in range(1, 101): lengths.add(tokens)
    >>> 95 <= lengths.quantile() <= 95 * 1.19
    True
    """

    def __init__(self) -> None:
        self._counts = [0.0] * _BUCKETS
        self._total = 0.0

    def add(self, tokens: int) -> None:
        self._counts[_bucket(tokens)] += 1
        self._total += 1
        if self._total > _DECAY_AT:
            self._counts = [count / 2 for count in self._counts]
            self._total /= 2

    def quantile(self) -> int:
        """Tokens; a common length until twenty answers are known."""
        if self._total < 20:
            return COMMON_OUTPUT_TOKENS
        return _edge(bisect_left(list(accumulate(self._counts)), QUANTILE * self._total))


def _bucket(tokens: int) -> int:
    return min(_BUCKETS - 1, math.ceil(math.log2(max(1, tokens)) * _STEPS))


def _edge(bucket: int) -> int:
    """The longest answer of a bucket."""
    return math.floor(2 ** (bucket / _STEPS) + 1e-9)
