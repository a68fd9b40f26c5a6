"""From readings to alerts: inactive, firing, resolved. One state machine for the live watch and for replays."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from steward.core.minutes import empty_sums
from steward.monitoring.history import MINUTES_OF_DAY, History
from steward.monitoring.rules import Reading, Span, WatchedRule

QUIET_MINUTES: Final = 30  # without a wrong look before an alert resolves; one that comes back sooner is the same alert
HELD_MINUTES: Final = 7 * MINUTES_OF_DAY  # that an alert goes on firing while nobody can tell whether it is over
MAX_NAMES: Final = 20  # models, and routes, that are watched apart; later ones are counted together as "other"
EVERYTHING: Final = ""  # the scope of all requests

Group = tuple[str, str]  # model and route; "" where not known
Minute = dict[Group, list[float]]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that began to fire or is over."""

    rule: str
    scope: str  # "" (all), "model NAME" or "route NAME"
    severity: str
    firing: bool
    minute: int
    reading: Reading


class FiringNow(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that fires, in one scope or several."""

    rule: WatchedRule
    scopes: tuple[str, ...]
    reading: Reading


class _Alert:
    """One rule in one scope."""

    def __init__(self, rule: WatchedRule, scope: str) -> None:
        self.rule, self.scope = rule, scope
        self.looks: deque[bool] = deque(maxlen=rule.looks)
        self.firing = False
        self.last_wrong = -1
        self.held = False  # it fires, and there is nothing to tell whether it is over
        self.worst = Reading("fine")
        self.spans: list[Span] = []  # minutes in which it fired
        self.judged = 0
        self.why_not = ""
        self.reading: Reading | None = None  # what the last look said

    def look(self, history: History, now: int) -> None:
        if self.firing:
            reading = self.rule.persists(history, now, [*self.spans[:-1], (self.spans[-1][0], now)])
        else:
            reading = self.rule.judge(history, now, self.spans)
        self.reading = reading
        if reading.state == "cannot tell":
            self.why_not = reading.why
            self.held = self.firing and now - self.last_wrong < HELD_MINUTES
            return
        self.held = False
        self.judged += 1
        wrong = reading.state == "wrong"
        self.looks.append(wrong)
        if wrong:
            self.last_wrong = now
            if not self.firing or _distance(reading) > _distance(self.worst):
                self.worst = reading

    def is_due(self, now: int) -> bool:
        """Whether it would begin to fire now, if nothing inhibits it."""
        return not self.firing and self.last_wrong == now and sum(self.looks) >= self.rule.needed

    def fired_since(self, minute: int) -> bool:
        return self.firing or bool(self.spans and self.spans[-1][1] > minute)

    def step(self, now: int, inhibited: bool) -> Change | None:
        if not self.firing:
            if inhibited or not self.is_due(now):
                return None
            self.firing = True
            self.spans.append((max(now - self.rule.lookback, self.spans[-1][1] if self.spans else 0), now))
        elif self.held or now - self.last_wrong < max(QUIET_MINUTES, 2 * self.rule.every_minutes):
            self.spans[-1] = (self.spans[-1][0], now)
            return None
        else:
            self.firing = False
            self.spans[-1] = (self.spans[-1][0], max(self.last_wrong, self.spans[-1][0]))
            self.looks.clear()
        return Change(
            rule=self.rule.name,
            scope=self.scope,
            severity=self.rule.severity,
            firing=self.firing,
            minute=now,
            reading=self.worst,
        )


def _is_inhibited(alert: _Alert, here: Mapping[str, _Alert], everywhere: Mapping[str, _Alert], now: int) -> bool:
    """Whether another alert says the same: one that inhibits it in this scope or over all requests, or its own rule
    over all requests. It does until what it fired for has left the windows that this rule looks at: else one incident
    would be told once more when its first alert is over."""
    others = [group[name] for group in (here, everywhere) for name in alert.rule.inhibited_by if name in group]
    own = everywhere.get(alert.rule.name)
    if own is not None and own is not alert:
        others.append(own)
    return any(other.fired_since(now - alert.rule.memory) for other in others)


def _distance(reading: Reading) -> float:
    return abs((reading.value or 0.0) - (reading.expected or 0.0))


class Watch:
    """All rules over all scopes. Feed it each minute once, in order."""

    def __init__(self, rules: Sequence[WatchedRule], more_columns: tuple[str, ...] = ()) -> None:
        """`more_columns` are sums over all requests that `step` gets beside those of each model and route."""
        self.rules, self._more_columns = rules, more_columns
        self._histories: dict[str, History] = {}
        self._alerts: dict[str, list[_Alert]] = {}  # by scope
        self._names: dict[str, dict[str, None]] = {"model": {}, "route": {}}  # as first seen

    def step(
        self, minute: int, groups: Mapping[Group, Sequence[float]], judge: bool = True, more: Sequence[float] = ()
    ) -> list[Change]:
        """`groups` are the sums of requests that ended in `minute`, `more` those of `more_columns`, all 0 where they
        are not told; the minutes must follow one another.

        With `judge` off a minute is only remembered: it was judged before a restart.
        """
        sums: dict[str, list[float]] = {EVERYTHING: empty_sums()}
        for group, values in groups.items():
            _add(sums[EVERYTHING], values)
            for kind, name in zip(("model", "route"), group, strict=True):
                if name:
                    _add(sums.setdefault(f"{kind} {self._known(kind, name)}", empty_sums()), values)
        for scope in sums:
            if scope not in self._alerts:
                self._alerts[scope] = self._make_alerts(scope)
        for scope in self._alerts:
            if scope not in self._histories:
                self._histories[scope] = History(minute, self._more_columns if scope == EVERYTHING else ())
        sums[EVERYTHING] += more or [0.0] * len(self._more_columns)
        nothing = empty_sums()
        for scope, history in self._histories.items():
            history.append(sums.get(scope, nothing))
        return self._judge(minute + 1) if judge else []

    def _judge(self, now: int) -> list[Change]:
        everywhere = {alert.rule.name: alert for alert in self._alerts[EVERYTHING]}
        apart = self._scopes_apart()
        changes = []
        for scope, alerts in self._alerts.items():
            if scope != EVERYTHING and scope not in apart:
                continue
            here = everywhere if scope == EVERYTHING else {alert.rule.name: alert for alert in alerts}
            for alert in alerts:
                if now % alert.rule.every_minutes == 0:
                    alert.look(self._histories[scope], now)
                if not alert.firing and alert.last_wrong != now:
                    continue  # as nearly always
                change = alert.step(now, alert.is_due(now) and _is_inhibited(alert, here, everywhere, now))
                if change is not None:
                    changes.append(change)
        return changes

    def _make_alerts(self, scope: str) -> list[_Alert]:
        return [_Alert(rule, scope) for rule in self.rules if rule.scoped or scope == EVERYTHING]

    def _scopes_apart(self) -> set[str]:
        """Models where there are several, and routes likewise: a single one is all requests once more."""
        models, routes = self._names.values()
        return {f"model {name}" for name in models if len(models) > 1} | {
            f"route {name}" for name in routes if len(routes) > 1
        }

    def _known(self, kind: str, name: str) -> str:
        names = self._names[kind]
        if name not in names:
            if len(names) >= MAX_NAMES:
                name = "other"
            names[name] = None
        return name

    def resume(self, rule: str, scopes: Sequence[str], since: int, until: int | None) -> None:
        """Remember an alert of before a restart, oldest first: from `since`, to `until` or still firing."""
        for scope in scopes:
            alerts = self._alerts.setdefault(scope, self._make_alerts(scope))
            for alert in alerts:
                if alert.rule.name == rule:
                    start = max(since - alert.rule.lookback, alert.spans[-1][1] if alert.spans else 0)
                    alert.spans.append((start, max(start, since if until is None else until)))
                    alert.firing, alert.last_wrong = until is None, since if until is None else until

    def list_firing(self) -> list[FiringNow]:
        """Each rule that fires, with its scopes and its worst reading."""
        firing: dict[str, list[_Alert]] = {}
        for alerts in self._alerts.values():
            for alert in alerts:
                if alert.firing:
                    firing.setdefault(alert.rule.name, []).append(alert)
        return [
            FiringNow(
                rule=group[0].rule,
                scopes=tuple(alert.scope for alert in group),
                reading=max((alert.worst for alert in group), key=_distance),
            )
            for group in firing.values()
        ]

    def list_readings(self) -> dict[str, Reading]:
        """What each rule that has looked said of all requests, by name."""
        return {
            alert.rule.name: alert.reading for alert in self._alerts.get(EVERYTHING, ()) if alert.reading is not None
        }

    def jump(self) -> None:
        """Forget the past: the clock has jumped, or nothing was watched for days. Alerts that fire go on."""
        self._histories.clear()

    def not_judged(self) -> list[tuple[str, str]]:
        """Rules that could never say anything of all requests, with the reason."""
        return [
            (alert.rule.name, alert.why_not or "it was never looked at")
            for alert in self._alerts.get(EVERYTHING, ())
            if not alert.judged
        ]


def _add(sums: list[float], values: Iterable[float]) -> None:
    for index, value in enumerate(values):
        sums[index] += value
