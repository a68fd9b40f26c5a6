"""Objectives such as `ttft_p95<500ms,tpot_p95<50ms`: read, and decided with what chance leaves open.

A limit on the p-th percentile holds when no more than 1 - p of the requests are over it; a request that failed is over
every limit. That share is a mean, so its interval needs no shape of the latencies: means of blocks of requests that
followed each other, and Student's t (batch means; Law and Kelton, "Simulation Modeling and Analysis", 9.5.3), because
requests that wait in one queue are not independent.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.loadtest.statistics import T975

METRICS: Final = ("ttft", "tpot", "e2e")
_TERM: Final = re.compile(r"\s*([a-z0-9]+?)_?(p[0-9.]+|mean)?\s*<=?\s*([0-9.]+)\s*(ms|s)?\s*")
BLOCKS: Final = 20
Answer = Literal["holds", "fails", "unclear"]


class Limit(msgspec.Struct, frozen=True):
    """One term. `quantile` in (0, 1); None: each request, as goodput counts, which is the 100th percentile."""

    metric: str
    quantile: float
    limit_ms: float

    def __str__(self) -> str:
        return f"{self.metric}_p{100 * self.quantile:g}<{self.limit_ms:g}ms"


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A term, held against one run: the share of requests over the limit with its 95 % interval, and what may be."""

    term: str
    answer: Answer
    share_over: float
    low: float
    high: float
    allowed: float
    n: int


def parse(text: str) -> tuple[Limit, ...]:
    """
    >>> [str(limit) for limit in parse("ttft_p95<500ms, tpot_p99<0.05s")]
    ['ttft_p95<500ms', 'tpot_p99<50ms']
    """
    found = []
    for part in text.split(","):
        term = _TERM.fullmatch(part)
        if term is None or term[1] not in METRICS:
            raise InputError(
                f"objective {part.strip()!r}: expected METRIC_pNN<LIMIT with ttft, tpot or e2e, such as ttft_p95<500ms"
            )
        if term[2] == "mean":
            raise InputError(f"objective {part.strip()!r}: expected a percentile; a mean hides the slow ones")
        quantile = float(term[2][1:]) / 100 if term[2] else 0.95
        limit = float(term[3]) * (1 if term[4] == "ms" else 1000)
        if not (0 < quantile < 1) or limit <= 0:
            raise InputError(f"objective {part.strip()!r}: expected a percentile below 100 and a limit above 0")
        found.append(Limit(term[1], round(quantile, 9), limit))
    return tuple(found)


def decide(limit: Limit, values_ms: NDArray[np.float64]) -> Decided:
    """`values_ms` in order of sending: NaN is left out (a metric the request does not have), failed ones are inf."""
    values = values_ms[~np.isnan(values_ms)]
    allowed = 1 - limit.quantile
    if not len(values):
        return Decided(term=str(limit), answer="unclear", share_over=math.nan, low=0.0, high=1.0, allowed=allowed, n=0)
    over = (values > limit.limit_ms).astype(np.float64)
    share = float(over.mean())
    low, high = share_interval(over)
    answer: Answer = "holds" if high <= allowed else "fails" if low > allowed else "unclear"
    return Decided(term=str(limit), answer=answer, share_over=share, low=low, high=high, allowed=allowed, n=len(values))


def share_interval(over: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of a share of ones in a series of zeros and ones that hang together; never narrower than Wilson's."""
    n, share = len(over), float(over.mean())
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    if n >= 10 * BLOCKS:
        means = np.array([block.mean() for block in np.array_split(over, BLOCKS)])
        wide = T975[BLOCKS - 1] * float(means.std(ddof=1)) / math.sqrt(BLOCKS)
        low, high = min(low, max(0.0, share - wide)), max(high, min(1.0, share + wide))
    return low, high


def overall(decided: tuple[Decided, ...]) -> Answer:
    """Of all terms: one that fails decides."""
    answers = {found.answer for found in decided}
    return "fails" if "fails" in answers else "unclear" if "unclear" in answers else "holds"
