"""The made-up month has what pages show: an incident, a canary, a drift, ratings."""

import hashlib
from collections import Counter
from typing import Any

import msgspec
import pytest

from steward.core.records import Admitted, Feedback, Settled
from steward.workflows.demo.month import (
    CANARY_DAY,
    DRIFT_DAY,
    INCIDENT_DAY,
    KEYS,
    PROMPTS,
    RELEASE,
    ROUTES,
    find_incident,
    make_day,
)

FIRST = 1_793_404_800.0  # 2026-10-31T00:00Z, a Saturday
IDS = {key.name: key.name for key in KEYS}


def make(day: int, until: float = 1e12) -> list[Admitted | Settled | Feedback]:
    return [one for one in make_day(FIRST, day, until, IDS) if isinstance(one, Admitted | Settled | Feedback)]


def test_every_admitted_request_settles_once_and_two_runs_are_equal() -> None:
    records = make(3)
    admitted = [one.request_id for one in records if isinstance(one, Admitted)]
    settled = [one.request_id for one in records if isinstance(one, Settled)]
    assert admitted == settled and len(set(admitted)) == len(admitted) > 300
    assert records == make(3)


def test_the_incident_is_of_one_model_and_ends() -> None:
    began, ended = find_incident(FIRST)
    failed = [one for one in make(INCIDENT_DAY) if isinstance(one, Settled) and one.outcome == "upstream_error"]
    within = [one for one in failed if began <= one.at < ended + 120]
    assert len(within) >= 5 and {one.model for one in within} == {"large"}


def test_the_canary_and_the_drift_begin_on_their_day() -> None:
    def versions(day: int) -> Counter[str | None]:
        return Counter(one.prompt_version for one in make(day) if isinstance(one, Admitted))

    candidate = f"assistant@{PROMPTS[1]}"
    counts = [versions(CANARY_DAY + offset)[candidate] for offset in (-1, 0, 1, 2)]
    assert counts[0] == counts[3] == 0 < min(counts[1:3])

    def tokens(day: int) -> float:
        counts = [one.input_tokens for one in make(day) if isinstance(one, Settled)]
        return sum(counts) / len(counts)

    assert tokens(DRIFT_DAY + 1) > 1.2 * tokens(DRIFT_DAY - 3)


def test_a_person_stays_with_an_arm_and_a_fifth_of_people_have_the_candidate() -> None:
    arms: dict[str | None, set[str | None]] = {}
    for one in [*make(CANARY_DAY), *make(CANARY_DAY + 1)]:
        if isinstance(one, Admitted) and one.release == RELEASE:
            assert one.route == "assistant" and one.arm_weight == 0.2
            arms.setdefault(one.subject, set()).add(one.arm)
    assert all(len(own) == 1 for own in arms.values())
    assert sum(own == {"candidate"} for own in arms.values()) / len(arms) == pytest.approx(0.2, abs=0.05)


def test_nothing_is_of_the_future() -> None:
    until = FIRST + 12 * 3600
    assert max(one.at for one in make(0, until) if isinstance(one, Admitted)) < until


def round_floats(value: Any) -> Any:
    """Nine digits: the last ones of exp and log differ between C libraries."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, dict):
        return {name: round_floats(item) for name, item in value.items()}
    return [round_floats(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(
    ("day", "requests", "digest"),
    [  # the pictures and numbers of the documentation are of this month: a version that changes it takes them anew
        (0, 341, "fe999795a5bb85d1"),
        (21, 414, "f59f055cb101bcc3"),
        (22, 398, "a154b9976d5bf2c3"),
        (29, 425, "7f03fa9712ee95f3"),
    ],
)
def test_the_month_is_the_same_in_every_version(day: int, requests: int, digest: str) -> None:
    records = make(day)
    told = msgspec.json.encode(round_floats(msgspec.to_builtins(records)))
    assert sum(isinstance(one, Admitted) for one in records) == requests
    assert hashlib.sha256(told).hexdigest()[:16] == digest


def test_the_incident_lasts_from_ten_past_one_to_twenty_five_past_two_of_a_saturday() -> None:
    began, ended = find_incident(FIRST)
    assert (began, ended) == (FIRST + 21 * 86400 + 47400, FIRST + 21 * 86400 + 51900)


def test_half_as_many_ask_on_weekends_and_most_at_midday() -> None:
    saturday, monday = (sum(isinstance(one, Admitted) for one in make(day)) for day in (0, 2))
    assert 0.45 < saturday / monday < 0.65
    hours = Counter(int(one.at % 86400 // 3600) for one in make(2) if isinstance(one, Admitted))
    assert sum(hours[hour] for hour in range(11, 17)) > 3 * sum(hours[hour] for hour in range(6))


def test_shares_of_keys_and_routes_are_those_named() -> None:
    admitted = [one for day in range(8) for one in make(day) if isinstance(one, Admitted)]
    keys = Counter(one.key_id for one in admitted)
    routes = Counter(one.route for one in admitted)
    for found, expected in ((keys, {one.name: one.share for one in KEYS}), (routes, dict(ROUTES))):
        for name, share in expected.items():
            assert found[name] / len(admitted) == pytest.approx(share, abs=0.02)


def test_a_request_costs_its_tokens() -> None:
    """Of a small model 0.15 and 0.60 US dollars a million tokens, of a large one 2.50 and 10.00."""
    prices = {"small": (0.15, 0.60), "large": (2.50, 10.00)}
    for one in make(3):
        if isinstance(one, Settled) and one.outcome == "ok":
            into, out = prices[str(one.model)]
            assert one.usd == pytest.approx((one.input_tokens * into + one.output_tokens * out) / 1e6)
        elif isinstance(one, Settled):
            assert (one.usd, one.output_tokens, one.ttft_s) == (0.0, 0, None)
