"""Who is to be told what."""

from __future__ import annotations

import msgspec

from steward.core.alerts import Alert, ChannelState, Notice, NoticeKind, Silence
from steward.monitoring.config import ChannelPlan
from steward.monitoring.notices import judge_channels, plan_notices

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


def failed(channel: str, kind: NoticeKind, at: float, attempts: int) -> Notice:
    name = f"a:{channel}:{kind}:0"
    return Notice(id=name, alert_id="a", channel=channel, kind=kind, created_at=at, attempts=attempts)


FIRST = msgspec.structs.replace(HOOK, fallback="spare")
SPARE = ChannelPlan(name="spare", kind="webhook", url="http://s", severities=())


def plan_with_spare(
    alert: Alert, *earlier: Notice, spare: ChannelPlan = SPARE, silences: tuple[Silence, ...] = ()
) -> list[str]:
    planned = plan_notices(alert, [FIRST, spare], silences, earlier, 200.0, repeat_s=600.0)
    return [notice.id for notice in planned]


def test_the_fallback_is_told_once_after_four_failed_tries() -> None:
    assert plan_with_spare(ALERT) == ["a:hook:firing:0"]
    assert plan_with_spare(ALERT, failed("hook", "firing", 100.0, 3)) == []
    stuck = failed("hook", "firing", 100.0, 4)
    assert plan_with_spare(ALERT, stuck) == ["a:spare:firing:0"]
    assert plan_with_spare(ALERT, stuck, failed("spare", "firing", 170.0, 0)) == []
    delivered = msgspec.structs.replace(stuck, delivered_at=150.0)
    assert plan_with_spare(ALERT, delivered) == []


def test_a_fallback_that_heard_it_itself_is_not_told_again() -> None:
    own = msgspec.structs.replace(SPARE, severities=("ticket",))
    assert plan_with_spare(ALERT, failed("hook", "firing", 100.0, 4), spare=own) == ["a:spare:firing:0"]
    both = (failed("hook", "firing", 100.0, 4), failed("spare", "firing", 100.0, 1))
    assert plan_with_spare(ALERT, *both, spare=own) == []


def test_the_fallback_hears_of_the_end_that_the_channel_did_not_take() -> None:
    over = msgspec.structs.replace(ALERT, ended_at=150.0)
    heard = msgspec.structs.replace(failed("hook", "firing", 100.0, 1), delivered_at=101.0)
    end = failed("hook", "resolved", 150.0, 4)
    assert plan_with_spare(over, heard, end) == ["a:spare:resolved:0"]
    assert plan_with_spare(over, heard, end, failed("spare", "resolved", 190.0, 0)) == []
    late = msgspec.structs.replace(failed("spare", "firing", 170.0, 1), delivered_at=171.0)
    (told_once,) = plan_with_spare(over, heard, end, late)  # what it heard of the beginning is not the end
    assert told_once.startswith("a:spare:resolved:")


def test_old_news_and_silenced_ones_do_not_reach_the_fallback() -> None:
    stuck = failed("hook", "firing", 100.0, 4)
    silence = Silence(id="s", rule="r", starts_at=50.0, ends_at=250.0, comment="", created_by="me")
    assert plan_with_spare(ALERT, stuck, silences=(silence,)) == []
    over = msgspec.structs.replace(ALERT, ended_at=150.0)
    assert plan_with_spare(over, stuck) == ["a:hook:resolved:0"]


def state(channel: str, delivered_at: float | None, refused_at: float | None) -> ChannelState:
    return ChannelState(channel=channel, delivered_at=delivered_at, refused_at=refused_at, error="it answered HTTP 500")


def test_a_channel_fails_from_its_fourth_refusal_until_it_takes_something() -> None:
    assert judge_channels([HOOK], [state("hook", 100.0, None), state("hook2", None, 90.0)]) == []
    assert judge_channels([HOOK], [state("hook", 100.0, 90.0)]) == []
    (failing,) = judge_channels([HOOK], [state("hook", 100.0, 110.0)])
    assert (failing.rule, failing.severity, failing.scopes) == ("channel-failing", "page", ("channel hook",))
    assert failing.evidence == "hook refused 4 tries or more (it answered HTTP 500)"
    tickets = msgspec.structs.replace(HOOK, severities=("ticket",))
    assert judge_channels([tickets], [state("hook", None, 110.0)])[0].severity == "ticket"


def test_that_a_channel_fails_is_told_on_the_others_and_its_fallback() -> None:
    tickets = msgspec.structs.replace(HOOK, name="tickets", severities=("ticket",))
    fails = msgspec.structs.replace(ALERT, rule="channel-failing", severity="page", scopes=("channel hook",))
    planned = plan_notices(fails, [FIRST, SPARE, PAGER, tickets], (), (), 200.0, repeat_s=600.0)
    assert [notice.channel for notice in planned] == ["spare", "pager"]
    own = msgspec.structs.replace(fails, rule="someone-elses")
    planned = plan_notices(own, [FIRST, SPARE, PAGER, tickets], (), (), 200.0, repeat_s=600.0)
    assert [notice.channel for notice in planned] == ["hook", "pager"]
