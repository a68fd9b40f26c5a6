"""Whether a run meets an objective such as `ttft_p95<500ms,tpot_p95<50ms`, or whether that cannot be decided.

A limit on the p-th percentile is met if no more than 1 - p of the requests are beyond it; a request that failed is
beyond every limit. That share is a mean, so its interval needs no assumption about the shape of the latencies: means of
blocks of consecutive requests, and Student's t (batch means; Law and Kelton, "Simulation Modeling and Analysis",
9.5.3), because requests that wait in one queue are not independent. Requests whose value cannot be told count both
ways: if that changes the answer, it is "unclear".
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.load_report import count_needed_values
from steward.core.rates import wilson_interval
from steward.loadtest.objective import ERROR_RATE, SPEED, Limit
from steward.loadtest.statistics import T975, interval_of_quantile

BLOCKS: Final = 20
SloAnswer = Literal["holds", "fails", "unclear"]
Array = NDArray[np.float64]


class TermResult(msgspec.Struct, frozen=True, kw_only=True):
    """One term judged on one run: the share of requests beyond the limit, its 95 % interval, and the share allowed.

    `value` is the metric at the term's percentile (ms, or tokens per second) with its 95 % interval; None where it has
    none, such as the error rate, where requests failed, or where there are too few for that percentile. `value_high` is
    None where the interval has no upper end: the largest of so few may lie below the percentile.
    """

    term: str
    answer: SloAnswer
    share_over: float
    low: float
    high: float
    allowed: float
    n: int
    unknown: int = 0  # requests whose value cannot be told, not in n
    value: float | None = None
    value_low: float | None = None
    value_high: float | None = None

    def describe(self) -> str:
        """One line for people."""
        if not self.n:
            return f"{self.term}: undecided, no request has a value"
        what = "failed" if self.term.startswith(ERROR_RATE) else "beyond the limit"
        line = (
            f"{self.term}: {self.share_over:.1%} {what} (95 % interval {self.low:.1%} to {self.high:.1%}), "
            f"{self.allowed:.1%} allowed"
        )
        if self.unknown:
            line += f"; {self.unknown:,} more requests have a value that cannot be told"
        return line


def judge_limit(limit: Limit, values: Array, unknown: NDArray[np.bool_] | None = None) -> TermResult:
    """Judge one limit. `values`: (requests,) in order of sending; NaN: the request has no such value and is left out.

    Failed requests are infinite latencies, speeds of 0, and 1 in an error rate. `unknown`: (requests,), where a value
    exists but cannot be told.
    """
    hidden = np.zeros(len(values), dtype=np.bool_) if unknown is None else unknown
    known = ~np.isnan(values) & ~hidden
    over = is_over(limit, values)
    share = float(over[known].mean()) if known.any() else math.nan
    if not known.any():
        return TermResult(
            term=str(limit), answer="unclear", share_over=share, low=0.0, high=1.0, allowed=limit.allowed, n=0,
            unknown=int(hidden.sum()),
        )  # fmt: skip
    counted = known | hidden
    low, _ = share_interval((over & ~hidden)[counted].astype(np.float64))
    _, high = share_interval((over | hidden)[counted].astype(np.float64))
    answer: SloAnswer = "holds" if high <= limit.allowed else "fails" if low > limit.allowed else "unclear"
    value, value_low, value_high = _quantile_with_interval(limit, values[known])
    return TermResult(
        term=str(limit), answer=answer, share_over=share, low=low, high=high, allowed=limit.allowed, n=int(known.sum()),
        unknown=int(hidden.sum()), value=value, value_low=value_low, value_high=value_high,
    )  # fmt: skip


def is_over(limit: Limit, values: Array) -> NDArray[np.bool_]:
    """Which requests are beyond a limit: (requests,). NaN is not."""
    if limit.metric == ERROR_RATE:
        return values > 0
    over: NDArray[np.bool_] = values < limit.bound if limit.metric == SPEED else values > limit.bound
    return over


def share_interval(over: Array) -> tuple[float, float]:
    """The 95 % interval of the share of ones in a dependent series of zeros and ones; never narrower than Wilson's.

    `over`: (requests,) in order of sending.
    """
    n, share = len(over), float(over.mean())
    low, high = wilson_interval(share, n)
    if n >= 10 * BLOCKS:
        means = np.array([block.mean() for block in np.array_split(over, BLOCKS)])  # (blocks,)
        half = T975[BLOCKS - 1] * float(means.std(ddof=1)) / math.sqrt(BLOCKS)
        low, high = min(low, max(0.0, share - half)), max(high, min(1.0, share + half))
    return low, high


def combine_answers(results: tuple[TermResult, ...]) -> SloAnswer:
    """The answer of an objective with several terms: one that fails decides."""
    answers = {result.answer for result in results}
    return "fails" if "fails" in answers else "unclear" if "unclear" in answers else "holds"


def _quantile_with_interval(limit: Limit, values: Array) -> tuple[float | None, float | None, float | None]:
    if limit.metric == ERROR_RATE or len(values) < count_needed_values(limit.quantile):
        return None, None, None
    value = float(np.quantile(values, limit.quantile, method="inverted_cdf"))
    if not math.isfinite(value):
        return None, None, None
    low, high = interval_of_quantile(values, limit.quantile)
    return value, low, high if math.isfinite(high) else None
