"""What is wrong now and no request shows: pure decisions over numbers that others have gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from statistics import median
from typing import Final

import msgspec

from steward.core.alerts import Severity
from steward.core.durations import DAY_S
from steward.core.keys import KeyRecord

EXPIRES_S: Final = 14 * DAY_S  # before its end, a key or certificate is a ticket
EXPIRES_SOON_S: Final = 3 * DAY_S  # a certificate's end is then a page: nobody could connect
NEARLY_SPENT: Final = 0.9  # of a budget
LATE_S: Final = 60.0  # that a request's row may wait in a file; the keeper takes them in twice a second at least
MANY_BYTES: Final = 16 << 20  # that may wait, however young: about 50,000 requests
NAMED: Final = 5  # that the evidence of one alert names
DISK_FULL: Final = 0.9  # share that is used, from which it is an alert
SILENT_S: Final = 300.0  # that an engine may tell nothing
OVER_PLAN: Final = 1.05  # of the memory that the plan gives an engine
LEAK_HOURS: Final = 24  # of which the least memory is known, below which a trend is nothing to speak of
LEAK_Z: Final = 5.0  # of Kendall's test: a chance of 3 in 10 million
LEAK_SHARE: Final = 0.05  # growth a day, and
LEAK_BYTES: Final = 32 << 20  # likewise
FACTS: Final[tuple[tuple[str, Severity, str], ...]] = (  # rules over facts: name, severity, when it fires
    ("budget-nearly-spent", "ticket", "A key has spent 90 % of a budget."),
    ("certificate-expiring", "ticket", "A certificate ends within 14 days; a page from 3 days."),
    ("channel-failing", "page", "A channel has refused an alert four times; a ticket where it takes tickets only."),
    ("disk-filling", "ticket", "90 % of the home's disk are used; a page from 97 %."),
    ("drift", "ticket", "Traffic differs from the frozen baseline in two days that follow one another."),
    ("drift-quality-down", "page", "The same, while ratings, scores or refusals say that answers are worse."),
    ("engine-metrics-missing", "ticket", "An engine tells nothing, or less than before, for 5 minutes."),
    ("gpu-memory-over-plan", "ticket", "A GPU holds 5 % more memory than the plan gives its engine."),
    ("gpu-unhealthy", "page", "A GPU is unhealthy; a ticket where it is slowed or cannot be read."),
    ("keys-expiring", "ticket", "A key ends within 14 days and nothing has replaced it."),
    ("ledger-lagging", "ticket", "Settled requests wait for a minute, or 16 MiB of them, outside the store."),
    ("maintenance-due", "ticket", "Something of the maintenance calendar is overdue, or due soon."),
    ("memory-growing", "ticket", "A process holds more memory every hour of a day or two."),
    ("model-down", "page", "No model answers; a ticket where some do."),
    ("plan-outgrown", "ticket", "Traffic is above the saved plan, or will be within 30 days."),
    ("store-gone", "page", "The store has taken nothing for two minutes."),
)
CHANNEL_FAILING: Final = "channel-failing"
RULES: Final = tuple(name for name, _, _ in FACTS)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong now, and that no request shows."""

    rule: str
    severity: Severity
    summary: str
    evidence: str
    scopes: tuple[str, ...] = ("all",)


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
            evidence=list_few(listed),
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
            evidence=list_few(
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
            evidence=list_few(listed),
        )
    ]


def judge_drift(drifted: Sequence[str], quality: Sequence[str]) -> list[Condition]:
    """Whether traffic has drifted; `quality`: alerts that fire and say that answers have become worse."""
    if not drifted:
        return []
    found = f"{list_few(drifted)} differ from the baseline in two days in a row"
    if quality:
        return [
            Condition(
                rule="drift-quality-down",
                severity="page",
                summary="Traffic has drifted and answers have become worse.",
                evidence=f"{found}; firing: {list_few(quality)}",
            )
        ]
    return [
        Condition(
            rule="drift",
            severity="ticket",
            summary="Traffic has drifted from the baseline.",
            evidence=f"{found}; steward drift show has numbers",
        )
    ]


def judge_engines(silent: Mapping[str, tuple[float, str]], missing: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Whether engines tell less than they should. `silent`: for how many seconds an engine has told nothing, and why;
    `missing`: metrics that it once told."""
    listed = [f"{model}: {why} for {s / 60:.0f} minutes" for model, (s, why) in sorted(silent.items()) if s >= SILENT_S]
    listed += [f"{model}: no {', '.join(names)} any more" for model, names in sorted(missing.items()) if names]
    if not listed:
        return []
    return [
        Condition(
            rule="engine-metrics-missing",
            severity="ticket",
            summary="An engine tells less of itself than before; its charts have gaps.",
            evidence=list_few(listed),
        )
    ]


def judge_gpus(unhealthy: Sequence[str], slowed: Sequence[str], error: str) -> list[Condition]:
    """Whether a GPU computes wrongly, slowly or not at all; `error`: why none can be read, where there was one."""
    listed = [*unhealthy, *slowed, *([error] if error else [])]
    if not listed:
        return []
    return [
        Condition(
            rule="gpu-unhealthy",
            severity="page" if unhealthy else "ticket",
            summary="A GPU is unhealthy." if unhealthy else "A GPU is slowed down, or cannot be read.",
            evidence=list_few(listed),
        )
    ]


def judge_gpu_memory(used_gib: Mapping[int, float], planned_gib: float | None) -> list[Condition]:
    """Whether GPUs hold more than the plan gives their engine; None: no plan is saved."""
    if planned_gib is None or planned_gib <= 0.0:
        return []
    over = [f"GPU {index}: {gib:.1f} GiB" for index, gib in sorted(used_gib.items()) if gib > OVER_PLAN * planned_gib]
    if not over:
        return []
    return [
        Condition(
            rule="gpu-memory-over-plan",
            severity="ticket",
            summary="A GPU holds more memory than the plan gives its engine.",
            evidence=f"{list_few(over)}; the plan gives {planned_gib:.1f} GiB",
        )
    ]


def judge_plan(state: str, why: str) -> list[Condition]:
    """Whether traffic has outgrown the plan, or will soon; `state` is the headroom's."""
    if state not in ("outgrown", "soon"):
        return []
    outgrown = state == "outgrown"
    return [
        Condition(
            rule="plan-outgrown",
            severity="ticket",
            summary="Traffic has outgrown the plan." if outgrown else "Traffic will soon outgrow the plan.",
            evidence=why,
        )
    ]


def judge_memory(hours: Mapping[str, Sequence[float]]) -> list[Condition]:
    """Whether processes leak; `hours` are the least bytes that each held in every hour, oldest first.

    The least of an hour leaves out what requests need for a while. A trend is Kendall's (1938); how steep it is, the
    median of the slopes between all pairs says (Sen, 1968).
    """
    leaks = []
    for name, least in sorted(hours.items()):
        growth = measure_growth(least)
        if growth is not None:
            leaks.append(f"{name} grows by {24.0 * growth / 2**20:,.0f} MiB a day to {least[-1] / 2**20:,.0f} MiB")
    if not leaks:
        return []
    return [
        Condition(
            rule="memory-growing",
            severity="ticket",
            summary="A process needs more memory every hour; it may leak.",
            evidence=list_few(leaks),
        )
    ]


def measure_growth(least: Sequence[float]) -> float | None:
    """Bytes an hour, where they grow steadily and by an amount that matters; None: they do not, or nobody can tell."""
    count = len(least)
    if count < LEAK_HOURS:
        return None
    pairs = list(combinations(range(count), 2))
    risen = sum((least[after] > least[before]) - (least[after] < least[before]) for before, after in pairs)
    z = risen / sqrt(count * (count - 1) * (2 * count + 5) / 18)  # no correction for ties, which only lower the sum
    slope = median((least[after] - least[before]) / (after - before) for before, after in pairs)
    matters = 24.0 * slope >= max(LEAK_BYTES, LEAK_SHARE * least[0])
    quarter = count // 4
    steps = min(least[-quarter:]) > max(least[:quarter])  # a jump that stays does not grow
    half = count // 2
    goes_on = median(least[-quarter:]) - median(least[half : half + quarter]) >= quarter * slope / 2
    return slope if z >= LEAK_Z and matters and steps and goes_on else None


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
            evidence=f"No answer from {list_few(down)} in {len(looks)} looks",
        )
    ]


def list_few(items: Sequence[str]) -> str:
    """The first of them, and how many more there are.

    >>> list_few(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e, and 1 more'
    """
    rest = items[NAMED:]
    more = f", and {len(rest)} more" if rest else ""
    return ", ".join(items[:NAMED]) + more
