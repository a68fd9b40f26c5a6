"""What is added up for each minute, model and route: sums that merge, so that any window is a sum of its minutes.

The store adds them in the transaction that takes requests in, so that each request counts once, in the minute in which
it ended, however late its row arrives. Rules and charts read these sums and never the requests themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log
from operator import mul
from typing import Any, Final, Literal

import msgspec

Level = Literal["latency_ms", "ttft_ms", "input_tokens", "output_tokens", "prompt_chars", "usd"]

LEVELS: Final[tuple[Level, ...]] = ("latency_ms", "ttft_ms", "input_tokens", "output_tokens", "prompt_chars", "usd")
COUNTS: Final = ("requests", "judged", "failed", "asked", "refused", "rated", "satisfied", "score", "score_squared")
# each level as how many are known, and the sum and the sum of squares of its natural logarithm
COLUMNS: Final = (*COUNTS, *(f"{level}_{part}" for level in LEVELS for part in ("n", "log", "log_squared")))

FAILED: Final = frozenset({"upstream_error", "timeout", "truncated", "lost", "error", "failed", "failure"})
NOT_COUNTED: Final = frozenset({"client_closed", "refused"})  # by the client, or of its request: says nothing of us
SHADOW: Final = "shadow"  # key of copies of requests, which nobody waits for

MinuteKey = tuple[str, int, str, str]  # tenant, minute since the epoch, model, route; "" where not known


class MinuteRow(msgspec.Struct, frozen=True):
    """The sums of one minute, model and route; `sums` in the order of `COLUMNS`."""

    minute: int
    model: str
    route: str
    sums: tuple[float, ...]


def minute_of(at: float) -> int:
    """The minute since the epoch in which a second lies."""
    return int(at // 60)


def empty_sums() -> list[float]:
    return [0.0] * len(COLUMNS)


def is_failure(outcome: str | None, status: int | None) -> bool:
    return outcome in FAILED or (status is not None and status >= 500)


def judges_service(outcome: str | None, status: int | None) -> bool:
    """Whether an outcome says anything about the service: not where the client left or was refused."""
    if outcome in NOT_COUNTED:
        return False
    return status is None or not 400 <= status < 500 or outcome in FAILED


def add_request(
    sums: list[float],
    outcome: str | None,
    status: int | None,
    levels: Sequence[float | None],
    refused: bool | None = None,
) -> None:
    """Count one request. `levels` in the order of `LEVELS`; they count where the request succeeded."""
    sums[0] += 1
    failed = is_failure(outcome, status)
    if judges_service(outcome, status):
        sums[1] += 1
        sums[2] += failed
    if refused is not None:
        sums[3] += 1
        sums[4] += refused
    if failed:
        return
    index = len(COUNTS)
    for value in levels:
        if value and value > 0.0:  # neither unknown nor zero, which has no logarithm
            logarithm = log(value)
            sums[index] += 1
            sums[index + 1] += logarithm
            sums[index + 2] += logarithm * logarithm
        index += 3


def add_rating(sums: list[float], score: float) -> None:
    """Count one rating in [-1, 1]; above 0 it is a satisfied one."""
    sums[5] += 1
    sums[6] += score > 0.0
    sums[7] += score
    sums[8] += score * score


def sum_exchanges(rows: Iterable[Mapping[str, Any]]) -> dict[MinuteKey, list[float]]:
    """What settled exchanges add; `rows` have the columns of the store's table."""
    minutes: dict[MinuteKey, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["key_id"] != SHADOW:
            key = (row["tenant"], minute_of(row["settled_at"]), row["model"] or "", row["route"])
            minutes.setdefault(key, []).append(row)
    return {key: _sum_requests(own) for key, own in minutes.items()}


def _sum_requests(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """As `add_request` for each, column by column, which takes half as long."""
    sums = empty_sums()
    outcomes = Counter((row["outcome"], row["status"]) for row in rows)
    for (outcome, status), count in outcomes.items():
        sums[0] += count
        if judges_service(outcome, status):
            sums[1] += count
            sums[2] += count * is_failure(outcome, status)
    failed = {pair for pair in outcomes if is_failure(*pair)}
    good = [row for row in rows if (row["outcome"], row["status"]) not in failed] if failed else rows
    levels: dict[Level, list[float | None]] = {
        "latency_ms": [row["duration_s"] * 1000.0 for row in good],
        "ttft_ms": [row["ttft_s"] * 1000.0 for row in good if row["streamed"] and row["ttft_s"] is not None],
        "input_tokens": [row["input_tokens"] for row in good],
        "output_tokens": [row["output_tokens"] for row in good],
        "prompt_chars": [],
        "usd": [row["usd"] for row in good],
    }
    for index, level in enumerate(LEVELS):
        logarithms = [log(value) for value in levels[level] if value and value > 0.0]
        place = len(COUNTS) + 3 * index
        sums[place : place + 3] = (
            float(len(logarithms)),
            sum(logarithms, 0.0),
            sum(map(mul, logarithms, logarithms), 0.0),
        )
    return sums
