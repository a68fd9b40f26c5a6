import pytest

from steward.core.calendar import CalendarItem, CalendarPlan
from steward.core.durations import DAY_S
from steward.core.errors import InputError
from steward.monitoring.maintenance import (
    Advisory,
    CalendarFacts,
    judge_maintenance,
    make_calendar,
    read_advisories,
)

NOW = 20_000 * DAY_S
QUIET = CalendarPlan(models_every_days=None, evaluation_every_days=None, baseline_every_days=None)


def states(plan: CalendarPlan, facts: CalendarFacts) -> dict[str, str]:
    return {f"{one.kind} {one.name}": one.state for one in make_calendar(plan, facts, NOW)}


@pytest.mark.parametrize(
    ("days_ago", "state"), [(0, "in time"), (75, "in time"), (76, "due soon"), (90, "due soon"), (90.1, "overdue")]
)
def test_an_evaluation_ages(days_ago: float, state: str) -> None:
    facts = CalendarFacts(served=["m"], evaluated={"suite x of model m": NOW - days_ago * DAY_S, "model other": NOW})
    assert states(CalendarPlan(), facts)["evaluation m"] == state


def test_what_was_never_done_is_not_known_and_no_alarm() -> None:
    seen = make_calendar(CalendarPlan(), CalendarFacts(served=["m"]), NOW)
    assert {one.kind: one.state for one in seen} == dict.fromkeys(("model", "evaluation", "baseline"), "not known")
    assert {one.detail for one in seen} == {"never, as far as is known"}
    assert judge_maintenance(seen) == []


def test_an_age_without_a_limit_is_only_shown() -> None:
    facts = CalendarFacts(served=["m"], models={"m": NOW - 4000 * DAY_S}, baseline_at=NOW, backup_at=NOW - DAY_S)
    seen = {one.kind: one for one in make_calendar(QUIET, facts, NOW)}
    assert (seen["model"].state, seen["model"].age_days, seen["model"].due_at) == ("in time", 4000.0, None)
    assert [seen[kind].detail for kind in ("model", "baseline", "backup")] == [
        "since it first answered", "since it was frozen", "since the last one",
    ]  # fmt: skip
    assert seen["backup"].state == "in time" and seen["evaluation"].state == "not known"


def test_keys_and_certificates_are_listed_and_have_alerts_of_their_own() -> None:
    facts = CalendarFacts(certificates={"a.pem": NOW - 1.0}, keys={"ci": NOW + 14 * DAY_S, "web": NOW + 15 * DAY_S})
    seen = make_calendar(QUIET, facts, NOW)
    assert [(one.kind, one.name, one.state) for one in seen if one.kind != "baseline"] == [
        ("certificate", "a.pem", "overdue"), ("key", "ci", "due soon"), ("key", "web", "in time"),
    ]  # fmt: skip
    assert judge_maintenance(seen) == []


def test_items_of_ones_own_with_their_owners() -> None:
    items = (
        CalendarItem(name="licence of x", kind="licence", due_at=NOW + DAY_S, owner="legal"),
        CalendarItem(name="drill", kind="drill", every_days=90, last_at=NOW - 91 * DAY_S),
        CalendarItem(name="other", kind="other", due_at=NOW + 99 * DAY_S),
    )
    plan = CalendarPlan(items=items, owner="ops", owners={"drill": "sre"})
    seen = {one.name: one for one in make_calendar(plan, CalendarFacts(), NOW)}
    assert [(seen[item.name].state, seen[item.name].owner) for item in items] == [
        ("due soon", "legal"), ("overdue", "sre"), ("in time", "ops"),
    ]  # fmt: skip
    assert seen["drill"].days_left == -1.0 and seen["drill"].age_days == 91.0
    (condition,) = judge_maintenance(seen.values())
    assert (condition.rule, condition.severity) == ("maintenance-due", "ticket")
    assert condition.evidence == "licence licence of x (due soon, legal), drill drill (overdue, sre)" or (
        condition.evidence == "drill drill (overdue, sre), licence licence of x (due soon, legal)"
    )


def test_advisories_are_of_what_is_installed() -> None:
    advisories = (Advisory("My_Package", "1.0", "CVE-1", ("1.1",)), Advisory("other", "2", "CVE-2"))
    facts = CalendarFacts(installed={"my-package": "1.0", "Other": "3"}, advisories=advisories)
    (entry,) = [one for one in make_calendar(QUIET, facts, NOW) if one.kind == "advisory"]
    assert (entry.name, entry.state, entry.detail) == ("My_Package 1.0", "overdue", "CVE-1; fixed in 1.1")
    assert judge_maintenance([entry])[0].evidence == "advisory My_Package 1.0 (overdue, nobody named)"


def test_files_of_advisories() -> None:
    audit = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"], "description": "long"}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ],
        "fixes": [],
    }
    assert read_advisories(audit) == (Advisory("a", "1", "X-1", ("2",)),)
    plain = [{"package": "a", "version": "1", "id": "X-1"}]
    assert read_advisories(plain) == (Advisory("a", "1", "X-1"),)
    for wrong in ({"x": 1}, [{"package": "a"}], 7, None):
        with pytest.raises(InputError, match="pip-audit --format json"):
            read_advisories(wrong)


def test_the_most_urgent_first_and_few_are_named() -> None:
    items = tuple(CalendarItem(name=f"i{number}", kind="other", due_at=NOW - number * DAY_S) for number in range(1, 8))
    seen = make_calendar(CalendarPlan(items=items), CalendarFacts(), NOW)
    assert [one.name for one in seen][:3] == ["i7", "i6", "i5"] and seen[-1].kind == "baseline"
    (condition,) = judge_maintenance(seen)
    assert condition.evidence.endswith("other i3 (overdue, nobody named), and 2 more")
    assert judge_maintenance(seen[:5])[0].evidence.endswith("other i3 (overdue, nobody named)")
