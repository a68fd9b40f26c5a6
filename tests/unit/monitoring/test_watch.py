"""From readings to alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from steward.core.minutes import add_request, empty_sums
from steward.monitoring.history import History
from steward.monitoring.rules import FINE, BurnRate, Reading, Rule, Span
from steward.monitoring.watch import MAX_NAMES, QUIET_MINUTES, Change, Watch

WRONG = Reading("wrong", 2.0, 1.0, "two instead of one")


class Scripted(Rule, frozen=True, kw_only=True, tag="scripted"):
    """Wrong while the last minute had a request that failed; cannot tell where it had none at all."""

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        if not history.sum("requests", now - 1, now):
            return Reading("cannot tell", why="silence")
        return WRONG if history.sum("failed", now - 1, now) else FINE

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        return self.judge(history, now, excluded)

    @property
    def lookback(self) -> int:
        return 10

    @property
    def memory(self) -> int:
        return 1


def minute(failed: float = 0.0, requests: float = 1.0) -> list[float]:
    sums = empty_sums()
    sums[0], sums[1], sums[2] = requests, requests, failed
    return sums


def run(watch: Watch, *minutes: float | None, model: str = "m", start: int = 0) -> list[Change]:
    """A number is how many failed; None is a minute without a request."""
    changes = []
    for index, failed in enumerate(minutes):
        groups = {} if failed is None else {(model, ""): minute(failed)}
        changes += watch.step(start + index, groups)
    return changes


def rule(**fields: object) -> BurnRate:
    return Scripted(name="r", **fields)  # type: ignore[arg-type,return-value]


def test_fires_when_enough_looks_were_wrong_and_resolves_after_quiet() -> None:
    watch = Watch([rule(needed=2, looks=3)])
    assert run(watch, 1, 0, 0, 1) == []
    (fired,) = run(watch, 1, start=4)
    assert (fired.rule, fired.firing, fired.minute, fired.reading) == ("r", True, 5, WRONG)
    assert run(watch, *[0] * (QUIET_MINUTES - 1), start=5) == []
    (over,) = run(watch, 0, start=4 + QUIET_MINUTES)
    assert not over.firing and over.minute == 5 + QUIET_MINUTES


def test_a_look_that_cannot_tell_neither_fires_nor_resolves() -> None:
    watch = Watch([rule()])
    assert run(watch, None, None) == []
    assert watch.not_judged() == [("r", "silence")]
    assert len(run(watch, 1, start=2)) == 1
    assert run(watch, *[None] * 100, start=3) == []  # nobody knows whether it is over
    assert watch.not_judged() == []
    assert [change.firing for change in run(watch, *[0] * QUIET_MINUTES, start=103)] == [False]


def test_only_minutes_that_the_rule_looks_at_count() -> None:
    watch = Watch([rule(every_minutes=10)])
    assert run(watch, 1, 1, 1) == []
    assert [change.minute for change in run(watch, *[1] * 10, start=3)] == [10]


def test_the_stronger_rule_silences_the_weaker() -> None:
    strong = Scripted(name="strong")
    weak = Scripted(name="weak", inhibited_by=("strong",))
    watch = Watch([strong, weak])  # type: ignore[list-item]
    assert [change.rule for change in run(watch, 1, 1, 1)] == ["strong"]


def test_models_are_watched_apart_where_there_are_several() -> None:
    watch = Watch([rule()])
    watch.step(0, {("a", ""): minute(), ("b", ""): minute()})
    (changes,) = [watch.step(1, {("a", ""): minute(), ("b", ""): minute(1)})]
    assert [change.scope for change in changes] == [""]  # all requests fire, and their models say the same

    alone = Watch([rule()])
    assert [change.scope for change in run(alone, 0, 1)] == [""]


def test_the_names_of_a_hostile_client_are_bounded() -> None:
    watch = Watch([rule()])
    for index in range(10 * MAX_NAMES):
        watch.step(index, {(f"model-{index}", f"route-{index}"): minute()})
    assert len(watch._histories) <= 2 * (MAX_NAMES + 1) + 1


def test_after_a_jump_the_past_is_forgotten_and_what_fires_goes_on() -> None:
    watch = Watch([rule()])
    run(watch, 1)
    watch.jump()
    changes = run(watch, *[0] * 40, start=100_000)
    assert [change.firing for change in changes] == [False]


def test_one_incident_is_told_once_when_its_first_alert_is_over() -> None:
    """What fired for it is still in the windows of the rule that was inhibited."""
    fast = BurnRate(name="fast", severity="page", pairs=((60, 5, 14.4),))
    slow = BurnRate(name="slow", pairs=((1440, 120, 3.0),), inhibited_by=("fast",))
    watch, changes = Watch([fast, slow]), []
    for minute in range(3000):
        failing = 1500 <= minute < 1520 or minute >= 2600
        changes += watch.step(minute, {("m", "r"): sums_of(10, 10 if failing else 0)})
    first = [change.rule for change in changes if change.firing and change.minute < 2600]
    assert first == ["fast"]  # and not slow, though 20 minutes of failures are in its two hours
    assert [change.rule for change in changes if change.firing and change.minute >= 2600] == ["fast"]


def sums_of(requests: int, failed: int) -> list[float]:
    sums = empty_sums()
    for index in range(requests):
        add_request(sums, "upstream_error" if index < failed else "ok", None, (None,) * 6)
    return sums


def make_watch(*rules: Any) -> Watch:
    return Watch(rules)


class Remembering(Scripted, frozen=True, kw_only=True, tag="remembering"):
    """Wrong while more than `above` requests of the last minute failed; looks back over `memory`."""

    above: float = 0.0
    remembers: int = 100

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        failed = history.sum("failed", now - 1, now)
        return Reading("wrong", failed, 0.0) if failed > self.above else FINE

    @property
    def memory(self) -> int:
        return self.remembers


@pytest.mark.parametrize(("at", "rules"), [(99, []), (100, ["weak"])])
def test_a_rule_is_silent_until_the_stronger_ones_incident_has_left_its_memory(at: int, rules: list[str]) -> None:
    strong = Remembering(name="strong", above=1.0)
    weak = Remembering(name="weak", inhibited_by=("strong",))
    watch = make_watch(strong, weak)
    assert [change.rule for change in run(watch, 2.0)] == ["strong"]  # wrong at the end of its minute: 1
    assert [change.firing for change in run(watch, *[0.0] * (at - 1), start=1)] == [False]
    assert [change.rule for change in run(watch, 1.0, start=at)] == rules


def test_a_model_is_told_where_all_requests_are_well() -> None:
    watch = make_watch(Remembering(name="r", above=1.0))
    groups = {("a", "x"): minute(), ("b", "y"): minute()}
    assert watch.step(0, groups) == []
    changes = watch.step(1, {("a", "x"): minute(2.0, 2.0), ("b", "y"): minute()})
    assert {(change.scope, change.firing, change.minute) for change in changes} == {("", True, 2)}
    (firing,) = watch.list_firing()
    assert (firing.rule.name, firing.scopes, firing.reading.value) == ("r", ("",), 2.0)


def test_the_worst_reading_of_an_alert_is_kept() -> None:
    watch = make_watch(Remembering(name="r"))
    run(watch, 3.0, 7.0, 5.0)
    assert [one.reading.value for one in watch.list_firing()] == [7.0]
    (over,) = run(watch, *[0.0] * QUIET_MINUTES, start=3)
    assert over.reading.value == 7.0 and watch.list_firing() == []
    run(watch, 2.0, start=3 + QUIET_MINUTES)
    assert [one.reading.value for one in watch.list_firing()] == [2.0]  # a new alert begins anew


class Noting(Scripted, frozen=True, kw_only=True, tag="noting"):
    """Notes which minutes it is to leave out."""

    seen: list[list[Span]]

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        self.seen.append(list(excluded))
        return super().judge(history, now, excluded)


def test_what_fired_before_a_restart_is_left_out_with_the_ten_minutes_before_it() -> None:
    rule = Noting(name="r", seen=[])
    watch = make_watch(rule)
    watch.resume("r", [""], since=100, until=120)
    watch.resume("r", [""], since=125, until=140)  # ten minutes before it the first one still fired
    watch.resume("other", [""], since=141, until=None)
    run(watch, 0.0, start=150)
    assert rule.seen == [[(90, 120), (120, 140)]] and watch.list_firing() == []
    watch.resume("r", [""], since=145, until=None)
    assert [one.rule.name for one in watch.list_firing()] == ["r"]
    run(watch, 0.0, start=151)
    assert rule.seen[-1] == [(90, 120), (120, 140), (140, 152)]  # one that goes on, to now


def test_models_and_routes_are_bounded_each_by_itself() -> None:
    watch = Watch([rule()])
    for index in range(MAX_NAMES + 3):
        watch.step(index, {(f"model-{index}", f"route-{index % 2}"): minute()})
    assert watch._known("model", "another") == "other" and watch._known("route", "another") == "another"
    assert watch._known("model", "model-0") == "model-0"
