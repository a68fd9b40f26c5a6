"""What an objective says, such as `ttft_p95<500ms,tps>20,error_rate<1%`. Whether a run meets it is decided in slo.py.

One grammar for all commands: METRIC, for latencies and speeds a percentile, `<` or `>`, a number, and its unit.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from steward.core.errors import InputError

LATENCIES: Final = ("ttft", "ttfo", "tpot", "e2e")
SPEED: Final = "tps"  # output tokens per second of one request, after its first token
ERROR_RATE: Final = "error_rate"
_MS: Final = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}  # as `core.durations` has them
_TERM: Final = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9]*?(?:_rate)?)(?:_?(?P<level>p[0-9.]+|mean))?\s*(?P<sign><=?|>=?)\s*"
    r"(?P<number>[0-9]*\.?[0-9]+)\s*(?P<unit>[a-z/%]*)\s*"
)
EXPECTED: Final = (
    "expected ttft, ttfo, tpot or e2e with a percentile, < and a time (ttft_p95<500ms), tps> and tokens per second "
    "(tps>20), or error_rate< and a share (error_rate<1%)"
)


class Limit(msgspec.Struct, frozen=True):
    """One term of an objective. `allowed` is the share of requests that may be beyond `bound`.

    `bound` is in ms for latencies, in tokens per second for `tps`; an error rate has no bound of a single request, it
    counts requests that failed.
    """

    metric: str
    allowed: float
    bound: float = 0.0

    def __str__(self) -> str:
        if self.metric == ERROR_RATE:
            return f"error_rate<{100 * self.allowed:g}%"
        if self.metric == SPEED:
            return f"tps_p{100 * self.allowed:g}>{self.bound:g}"
        return f"{self.metric}_p{100 * (1 - self.allowed):g}<{self.bound:.10g}ms"

    @property
    def quantile(self) -> float:
        """The quantile of the metric that must be within the bound, in (0, 1)."""
        return self.allowed if self.metric == SPEED else 1 - self.allowed


def parse_objective(text: str) -> tuple[Limit, ...]:
    """A latency without a percentile means p95, a speed means p5: 95 % of the requests are as fast or faster.

    >>> [str(limit) for limit in parse_objective("ttft_p95<500ms, tpot_p99<0.05s, tps>20, error_rate<1%")]
    ['ttft_p95<500ms', 'tpot_p99<50ms', 'tps_p5>20', 'error_rate<1%']
    """
    return tuple(_parse_term(part.strip()) for part in text.split(","))


def _parse_term(text: str) -> Limit:
    """:raises InputError: the term, and what was expected"""
    term = _TERM.fullmatch(text.lower())
    if term is None or term["metric"] not in (*LATENCIES, SPEED, ERROR_RATE):
        raise InputError(f"objective {text!r}: {EXPECTED}")
    if term["level"] == "mean":
        raise InputError(f"objective {text!r}: expected a percentile, such as p95; a mean hides the slow requests")
    metric, number, unit = term["metric"], float(term["number"]), term["unit"]
    wanted = ">" if metric == SPEED else "<"
    if not term["sign"].startswith(wanted):
        raise InputError(f"objective {text!r}: expected {metric}{wanted}, not {metric}{term['sign']}")
    if number <= 0:
        raise InputError(f"objective {text!r}: expected a limit above 0")
    if metric == ERROR_RATE:
        return _parse_error_rate(text, number, unit, term["level"])
    quantile = float(term["level"][1:]) / 100 if term["level"] else (0.05 if metric == SPEED else 0.95)
    if not 0 < quantile < 1:
        raise InputError(f"objective {text!r}: expected a percentile above 0 and below 100")
    if metric == SPEED:
        if unit not in ("", "tok/s", "tokens/s"):
            raise InputError(f"objective {text!r}: expected tokens per second, such as tps>{number:g}")
        return Limit(metric, round(quantile, 9), number)
    if unit not in _MS:
        raise InputError(
            f"objective {text!r}: {number:g} {'has no unit' if not unit else 'has the unit ' + unit}; expected "
            f"{metric}<{number:g}ms or {metric}<{number:g}s"
        )
    return Limit(metric, round(1 - quantile, 9), number * _MS[unit])


def _parse_error_rate(text: str, number: float, unit: str, level: str | None) -> Limit:
    share = number / 100 if unit == "%" else number
    if level is not None or unit not in ("", "%") or share >= 1:
        raise InputError(f"objective {text!r}: expected a share of the requests, such as error_rate<1%")
    return Limit(ERROR_RATE, round(share, 9))
