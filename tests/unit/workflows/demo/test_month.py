"""The made-up month has what pages show: an incident, a canary, a drift, ratings."""

from collections import Counter

from steward.core.records import Admitted, Feedback, Settled
from steward.workflows.demo.month import CANARY_DAY, DRIFT_DAY, INCIDENT_DAY, KEYS, find_incident, make_day

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

    assert versions(CANARY_DAY - 1)["assistant@2"] == 0 < versions(CANARY_DAY)["assistant@2"]

    def tokens(day: int) -> float:
        counts = [one.input_tokens for one in make(day) if isinstance(one, Settled)]
        return sum(counts) / len(counts)

    assert tokens(DRIFT_DAY + 1) > 1.2 * tokens(DRIFT_DAY - 3)


def test_nothing_is_of_the_future() -> None:
    until = FIRST + 12 * 3600
    assert max(one.at for one in make(0, until) if isinstance(one, Admitted)) < until
