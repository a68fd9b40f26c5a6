"""Whether a run holds an objective such as `ttft_p95<500ms,tpot_p95<50ms`, with what chance leaves open.

A limit on the p-th percentile holds when no more than 1 - p of the requests are over it; a request that failed is over
every limit. That share is a mean, so its interval needs no shape of the latencies: means of blocks of requests that
followed each other, and Student's t (batch means; Law and Kelton, "Simulation Modeling and Analysis", 9.5.3), because
requests that wait in one queue are not independent.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.loadtest.objective import Limit
from steward.loadtest.statistics import T975

BLOCKS: Final = 20
SloAnswer = Literal["holds", "fails", "unclear"]


class TermResult(msgspec.Struct, frozen=True, kw_only=True):
    """A term, held against one run: the share of requests over the limit with its 95 % interval, and what may be."""

    term: str
    answer: SloAnswer
    share_over: float
    low: float
    high: float
    allowed: float
    n: int


def judge_limit(limit: Limit, values_ms: NDArray[np.float64]) -> TermResult:
    """`values_ms` in order of sending: NaN is left out (a metric the request does not have), failed ones are inf."""
    values = values_ms[~np.isnan(values_ms)]
    allowed = 1 - limit.quantile
    if not len(values):
        return TermResult(
            term=str(limit), answer="unclear", share_over=math.nan, low=0.0, high=1.0, allowed=allowed, n=0
        )
    over = (values > limit.limit_ms).astype(np.float64)
    share = float(over.mean())
    low, high = share_interval(over)
    answer: SloAnswer = "holds" if high <= allowed else "fails" if low > allowed else "unclear"
    return TermResult(
        term=str(limit), answer=answer, share_over=share, low=low, high=high, allowed=allowed, n=len(values)
    )


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


def combine_answers(decided: tuple[TermResult, ...]) -> SloAnswer:
    """Of all terms: one that fails decides."""
    answers = {found.answer for found in decided}
    return "fails" if "fails" in answers else "unclear" if "unclear" in answers else "holds"
