"""Who is to be told what."""

from __future__ import annotations

import msgspec

from steward.core.alerts import Alert, Notice, Silence
from steward.monitoring.config import ChannelPlan
from steward.monitoring.notices import plan_notices

ALERT = Alert(id="a", rule="r", severity="ticket", summary="", evidence="", scopes=("all",), started_at=100.0)
HOOK = ChannelPlan(name="hook", kind="webhook", url="http://h")
PAGER = ChannelPlan(name="pager", kind="pagerduty", key="env:K", severities=("page",))


def plan(alert: Alert, *earlier: Notice, silences: tuple[Silence, ...] = (), now: float = 100.0) -> list[str]:
    made = plan_notices(alert, [HOOK, PAGER], silences, earlier, now, repeat_s=600.0)
    return [notice.id for notice in made]


def told(kind: str, at: float) -> Notice:
    return Notice(id=f"a:hook:{kind}:0", alert_id="a", channel="hook", kind=kind, created_at=at)  # type: ignore[arg-type]


def test_channels_are_told_of_their_severities() -> None:
    assert plan(ALERT) == ["a:hook:firing:0"]
    assert plan(msgspec.structs.replace(ALERT, severity="page")) == ["a:hook:firing:0", "a:pager:firing:0"]


def test_it_is_said_once_and_again_after_a_while_unless_somebody_looks_after_it() -> None:
    assert plan(ALERT, told("firing", 100.0), now=699.0) == []
    assert plan(ALERT, told("firing", 100.0), now=700.0) == ["a:hook:firing:1"]
    looked_after = msgspec.structs.replace(ALERT, acknowledged_by="me", acknowledged_at=200.0)
    assert plan(looked_after, told("firing", 100.0), now=9999.0) == []


def test_a_silence_holds_back_what_fires_and_not_the_end() -> None:
    silence = Silence(id="s", rule="r", starts_at=50.0, ends_at=150.0, comment="", created_by="me")
    assert plan(ALERT, silences=(silence,)) == []
    assert plan(ALERT, silences=(silence,), now=150.0) == ["a:hook:firing:0"]
    assert plan(ALERT, silences=(msgspec.structs.replace(silence, rule="other"),)) == ["a:hook:firing:0"]
    assert plan(ALERT, silences=(msgspec.structs.replace(silence, rule="*"),)) == []
    over = msgspec.structs.replace(ALERT, ended_at=120.0)
    assert plan(over, told("firing", 100.0), silences=(silence,)) == ["a:hook:resolved:0"]


def test_the_end_is_said_once_to_whoever_heard_the_beginning() -> None:
    over = msgspec.structs.replace(ALERT, ended_at=120.0)
    assert plan(over) == []
    assert plan(over, told("firing", 100.0)) == ["a:hook:resolved:0"]
    assert plan(over, told("firing", 100.0), told("resolved", 120.0)) == []
