"""What is wrong now and no request shows: pure decisions over numbers that others have gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from steward.core.alerts import Severity
from steward.core.keys import KeyRecord

DAY_S: Final = 86400.0
EXPIRES_S: Final = 14 * DAY_S  # before its end, a key or certificate is a ticket
EXPIRES_SOON_S: Final = 3 * DAY_S  # a certificate's end is then a page: nobody could connect
NEARLY_SPENT: Final = 0.9  # of a budget
LATE_S: Final = 60.0  # that a request's row may wait in a file; the keeper takes them in five times a second
MANY_BYTES: Final = 16 << 20  # that may wait, however young: about 50,000 requests
NAMED: Final = 5  # that the evidence of one alert names
DISK_FULL: Final = 0.9  # share that is used, from which it is an alert
RULES: Final = (
    "budget-nearly-spent",
    "certificate-expiring",
    "disk-filling",
    "keys-expiring",
    "ledger-lagging",
    "model-down",
)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong now, and that no request shows."""

    rule: str
    severity: Severity
    summary: str
    evidence: str


class LedgerBacklog(msgspec.Struct, frozen=True):
    """What waits in one ledger file: bytes, and how long ago the file was last written to."""

    bytes: int
    age_s: float


class Spending(msgspec.Struct, frozen=True):
    """What a key has spent of a budget."""

    name: str
    period: str  # day or month
    spent: float
    budget: float


def judge_disk(used: int, total: int, home: str) -> list[Condition]:
    """Whether the disk that holds the home is filling; sizes in bytes."""
    if used < DISK_FULL * total:
        return []
    return [
        Condition(
            rule="disk-filling",
            severity="page" if used > 0.97 * total else "ticket",
            summary="The disk is filling; a full one stops the gateway.",
            evidence=f"{used / total:.0%} of {total / 1024**3:.0f} GiB are used where {home} lies",
        )
    ]


def judge_backlog(files: Iterable[LedgerBacklog]) -> list[Condition]:
    """Whether the keeper keeps up with the ledger's files."""
    waiting = [file for file in files if file.bytes > 0]
    size, age_s = sum(file.bytes for file in waiting), max((file.age_s for file in waiting), default=0.0)
    if size <= MANY_BYTES and age_s <= LATE_S:
        return []
    return [
        Condition(
            rule="ledger-lagging",
            severity="ticket",
            summary="Settled requests wait outside the store: usage, budgets and alerts lag behind.",
            evidence=f"{size / 1024**2:.1f} MiB wait, the oldest for {age_s:.0f} s or more",
        )
    ]


def judge_keys(records: Iterable[KeyRecord], now: float) -> list[Condition]:
    """Whether keys end soon that nothing has replaced."""
    ending = sorted(
        (record.expires_at, record.name)
        for record in records
        if record.revoked_at is None
        and record.replaced_by is None
        and record.expires_at is not None
        and now < record.expires_at <= now + EXPIRES_S
    )
    if not ending:
        return []
    listed = [f"{name} in {(at - now) / DAY_S:.0f} days" for at, name in ending]
    return [
        Condition(
            rule="keys-expiring",
            severity="ticket",
            summary="Gateway keys end soon; replace one with: steward keys rotate NAME",
            evidence=_list(listed),
        )
    ]


def judge_certificates(ends: Mapping[str, float], now: float) -> list[Condition]:
    """Whether certificates end soon; `ends` are times by file."""
    ending = sorted((at, path) for path, at in ends.items() if at <= now + EXPIRES_S)
    if not ending:
        return []
    return [
        Condition(
            rule="certificate-expiring",
            severity="page" if ending[0][0] <= now + EXPIRES_SOON_S else "ticket",
            summary="A certificate ends soon; clients will then refuse the connection.",
            evidence=_list(
                [
                    f"{path} has expired" if at <= now else f"{path} in {(at - now) / DAY_S:.0f} days"
                    for at, path in ending
                ]
            ),
        )
    ]


def judge_budgets(spendings: Sequence[Spending]) -> list[Condition]:
    """Whether keys have nearly spent what they may; then they are refused."""
    nearly = sorted(
        (item for item in spendings if item.budget > 0 and item.spent >= NEARLY_SPENT * item.budget),
        key=lambda item: (-item.spent / item.budget, item.name),
    )
    if not nearly:
        return []
    listed = [f"{item.name}: ${item.spent:,.2f} of ${item.budget:,.2f} a {item.period}" for item in nearly]
    return [
        Condition(
            rule="budget-nearly-spent",
            severity="ticket",
            summary="Keys have nearly spent their budget; their requests are refused when it is gone.",
            evidence=_list(listed),
        )
    ]


def judge_models(looks: Sequence[Mapping[str, bool]]) -> list[Condition]:
    """Whether models do not answer; `looks` are the last ones, of which all must agree."""
    if not looks:
        return []
    down = sorted(name for name in looks[-1] if not any(look.get(name, True) for look in looks))
    if not down:
        return []
    return [
        Condition(
            rule="model-down",
            severity="page" if len(down) == len(looks[-1]) else "ticket",
            summary="A model does not answer." if len(down) < len(looks[-1]) else "No model answers.",
            evidence=f"No answer from {_list(down)} in {len(looks)} looks",
        )
    ]


def _list(items: Sequence[str]) -> str:
    """
    >>> _list(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e, and 1 more'
    """
    more = f", and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
