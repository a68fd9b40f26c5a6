"""Which rows are taken: consent, one person's share, traffic's shares, the model's own words, replay, the split.

Each step is a function from rows to rows that are kept and reasons why others are not; rows come in the order of
`order_rows`, and a step that must choose keeps the earlier one. Chance is an HMAC under the home's key: a person is in
the same slice in every version, and nobody outside can tell in which.
"""

from __future__ import annotations

import hmac
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from steward.improvement.dataset.rows import Split, TrainingRow

PURPOSE = "training"
MODEL_SHARE = 0.5  # of rows that a model wrote: replacing data by it collapses, adding does not (arXiv 2404.01413)
SELECT_FROM, JUDGE_FROM = 80, 90  # of HMAC(unit) mod 100: 0-79 train, 80-89 select, 90-99 judge


class Taken(msgspec.Struct, frozen=True):
    """What a step leaves, and how many rows went for which reason."""

    rows: list[TrainingRow]
    reasons: dict[str, int] = {}


def keep_allowed(rows: Iterable[TrainingRow]) -> Taken:
    """Rows that may be trained on. A person who said no is heard whatever the basis; consent must have been given.

    >>> keep_allowed([]).rows
    []
    """
    return _keep(rows, _find_objection)


def _find_objection(row: TrainingRow) -> str:
    if row.consent == "withheld":
        return "the person said no"
    if PURPOSE not in row.purposes:
        return "not kept for training"
    return "no consent on record" if row.basis == "consent" and row.consent != "given" else ""


def keep_complete(rows: Iterable[TrainingRow]) -> Taken:
    """Rows with a question and an answer that holds something."""
    return _keep(rows, _find_gap)


def _find_gap(row: TrainingRow) -> str:
    if not any(message.get("role") == "user" and message.get("content") for message in row.prompt):
        return "no question"
    has_answer = any(
        message.get("role") == "assistant" and (message.get("content") or message.get("tool_calls"))
        for message in row.completion
    )
    return "" if has_answer else "no answer"


def leave_out_subjects(rows: Iterable[TrainingRow], subjects: Collection[str]) -> Taken:
    """Without people who appear in an evaluation set."""
    return _keep(rows, lambda row: "in an evaluation set" if row.subject and row.subject in subjects else "")


def cap_subjects(rows: Sequence[TrainingRow], share: float, most: int) -> Taken:
    """At most `share` of the rows of one person, and at most `most`; one row is always allowed."""
    limit = max(1, min(most, math.floor(share * len(rows))))
    seen: Counter[str] = Counter()

    def judge(row: TrainingRow) -> str:
        if not row.subject:
            return ""
        seen[row.subject] += 1
        return f"more than {limit} of one person" if seen[row.subject] > limit else ""

    return _keep(rows, judge)


def balance_groups(rows: Sequence[TrainingRow], traffic: Mapping[str, float], tolerance: float) -> Taken:
    """No group beyond `tolerance` times its share of the traffic; a group that traffic does not have is left alone.

    A limit is a share of what stays, so it is lowered until it holds; a group that is there at all keeps one row.
    """
    if not traffic:
        return Taken(list(rows))
    total = sum(traffic.values())
    counts = Counter(row.group for row in rows)
    allowed = dict(counts)
    while True:
        size = sum(allowed.values())
        lowered = {
            group: max(1, min(count, math.floor(tolerance * traffic[group] / total * size)))
            for group, count in allowed.items()
            if traffic.get(group)
        }
        if all(allowed[group] == limit for group, limit in lowered.items()):
            break
        allowed |= lowered
    seen: Counter[str] = Counter()

    def judge(row: TrainingRow) -> str:
        seen[row.group] += 1
        return f"more of group {row.group or 'none'} than in traffic" if seen[row.group] > allowed[row.group] else ""

    return _keep(rows, judge)


def limit_model_rows(rows: Sequence[TrainingRow], share: float, others: int = 0) -> Taken:
    """At most `share` of the rows, of `others` that come in beside them too, are a model's own words."""
    written = sum(not row.by_model for row in rows) + others
    limit = len(rows) if share >= 1 else math.floor(share / (1 - share) * written + 1e-9)
    seen = 0

    def judge(row: TrainingRow) -> str:
        nonlocal seen
        seen += row.by_model
        return f"more than {share:.0%} written by the model" if row.by_model and seen > limit else ""

    return _keep(rows, judge)


def choose_replay(rows: Sequence[TrainingRow], new: int, share: float, key: bytes) -> Taken:
    """So many old rows that they are `share` of the training slice beside `new` ones; fewer where there are fewer."""
    wanted = round(share / (1 - share) * new)
    ranked = sorted(rows, key=lambda row: hmac.digest(key, b"replay " + row.id.encode(), "sha256"))
    chosen = {id(row) for row in ranked[:wanted]}
    return _keep(rows, lambda row: "" if id(row) in chosen else "more than the replay share")


def choose_split(row: TrainingRow, key: bytes, newest_from: float | None = None) -> Split:
    """The slice of a row's unit, for ever; what is replayed is trained on.

    Rows from `newest_from` on are for judging as well, whosever they are; in a later set they are not the newest.
    """
    if row.origin == "replay":
        return "train"
    bucket = int.from_bytes(hmac.digest(key, b"split " + row.unit().encode(), "sha256")[:8], "big") % 100
    if bucket >= JUDGE_FROM:
        return "judge"
    if newest_from is not None and row.at is not None and row.at >= newest_from:
        return "newest"
    return "train" if bucket < SELECT_FROM else "select"


def find_newest(rows: Iterable[TrainingRow], days: float, most: float, now: float) -> tuple[float | None, float]:
    """(when the newest `days` begin, which share of the rows came since then); None: a share above `most`, or no times.

    A row later than `now` is one of a clock that was wrong, and does not make others old.
    """
    times = [row.at for row in rows if row.origin != "replay"]
    dated = [at for at in times if at is not None]
    if not dated or not days:
        return None, 0.0
    begins = min(now, max(dated)) - days * 86400.0
    share = sum(at >= begins for at in dated) / len(times)
    return (begins if share <= most else None), share


def find_shortfall(rows: Sequence[TrainingRow], floor: int, min_subjects: int) -> str:
    """Why the rows are too few to train on; empty: they are enough. What is replayed teaches nothing new."""
    new = [row for row in rows if row.origin != "replay"]
    if not new:
        return f"no row is left; expected {floor:,} or more (floor.rows)"
    if len(new) < floor:
        return f"{len(new):,} rows are left to train on; expected {floor:,} or more (floor.rows)"
    units = len({row.unit() for row in new})
    if units < min_subjects:
        people = "one person" if units == 1 else f"{units:,} people"
        return f"all {len(new):,} rows are of {people}; expected {min_subjects:,} or more (floor.subjects)"
    return ""


def _keep(rows: Iterable[TrainingRow], find_reason: Callable[[TrainingRow], str]) -> Taken:
    kept, reasons = [], Counter[str]()
    for row in rows:
        reason = find_reason(row)
        if reason:
            reasons[reason] += 1
        else:
            kept.append(row)
    return Taken(kept, dict(reasons))
