"""What an objective says: `ttft_p95<500ms,tpot_p95<50ms`. Whether a run holds it is decided in slo.py."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from steward.core.errors import InputError

METRICS: Final = ("ttft", "tpot", "e2e")
_TERM: Final = re.compile(r"\s*([a-z0-9]+?)_?(p[0-9.]+|mean)?\s*<=?\s*([0-9.]+)\s*(ms|s)?\s*")


class Limit(msgspec.Struct, frozen=True):
    """One term. `quantile` in (0, 1); None: each request, as goodput counts, which is the 100th percentile."""

    metric: str
    quantile: float
    limit_ms: float

    def __str__(self) -> str:
        return f"{self.metric}_p{100 * self.quantile:g}<{self.limit_ms:g}ms"


def parse_objective(text: str) -> tuple[Limit, ...]:
    """
    >>> [str(limit) for limit in parse_objective("ttft_p95<500ms, tpot_p99<0.05s")]
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
