"""The keeper's watch over a real store, with a clock and a channel of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import MAX_ATTEMPTS, Alert, NoticeKind
from steward.core.errors import InputError, Unavailable
from steward.core.records import Admitted, Settled
from steward.monitoring.conditions import Condition
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.monitoring.slo import SloPlan
from steward.monitoring.watch import MAX_NAMES
from steward.workflows import watch as workflow
from steward.workflows.conditions import check_disk
from steward.workflows.watch import AlertWatch, make_test_alert, send_notice

START = 1_764_547_200.0
HOOK = ChannelPlan(name="hook", kind="webhook", url="http://h")
PLAN = MonitoringPlan(channels=(HOOK,))


class Channel:
    """Remembers what it was told; refuses while `down`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, NoticeKind]] = []
        self.down = False
        self.called = threading.Event()

    def __call__(self, channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        self.called.set()
        if self.down:
            raise Unavailable("it answered HTTP 500")
        self.told.append((alert.rule, kind))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    made.migrate()
    yield made
    made.close()


class Clock:
    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def traffic(store: SqlStore, first: int, minutes: int, failed: bool, per_minute: int = 10) -> None:
    """`per_minute` requests in each minute from the `first` after START."""
    records: list[Admitted | Settled] = []
    for minute in range(first, first + minutes):
        for index in range(per_minute):
            name, at = f"{minute}-{index}", START + 60 * minute + index
            records.append(
                Admitted(
                    request_id=name, at=at, key_id="k", project="p", endpoint="/v1/chat/completions", route="r",
                    streamed=False,
                )
            )  # fmt: skip
            outcome = "upstream_error" if failed else "ok"
            records.append(
                Settled(
                    request_id=name, at=at, outcome=outcome, status=502 if failed else 200, model="m", duration_s=1.0
                )
            )
    store.ledger.drain("w", f"s{first}", 1, records)


def finish(watch: AlertWatch) -> None:
    """Run, let what is being told end, and run again to keep what became of it."""
    watch.run()
    for sent in list(watch._sending.values()):
        sent.exception(timeout=30)
    watch.run()


def test_an_incident_is_told_once_and_its_end_once(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START + 60 * 130)
    watch = AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=channel)
    traffic(store, 0, 120, failed=False)
    traffic(store, 120, 2, failed=True)
    clock.at = START + 60 * 122 + 11
    finish(watch)
    assert channel.told == []  # 20 of the last hour's 600 requests: not yet 14.4 %
    traffic(store, 122, 38, failed=True)
    clock.at = START + 60 * 160 + 11
    finish(watch)
    finish(watch)
    assert channel.told == [("error-burn", "firing")]
    traffic(store, 160, 900, failed=False)
    clock.at += 60 * 900
    finish(watch)
    finish(watch)
    assert channel.told == [("error-burn", "firing"), ("error-burn", "resolved")]
    (alert,) = store.alerts.list_alerts(10)
    assert alert.ended_at is not None and alert.scopes == ("all",)


def test_a_keeper_that_takes_over_repeats_nothing(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START + 60 * 160)
    traffic(store, 0, 120, failed=False)
    traffic(store, 120, 40, failed=True)
    finish(AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=channel))
    assert channel.told == [("error-burn", "firing")]
    for _ in range(3):
        clock.at += 60
        finish(AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=channel))
    assert channel.told == [("error-burn", "firing")]
    assert len(store.alerts.list_alerts(10)) == 1
    assert store.alerts.read_watched() == (START + 60 * 162) // 60


def test_what_each_rule_says_now_is_kept_and_survives_a_keeper(store: SqlStore) -> None:
    clock = Clock(START + 60 * 60 + 11)
    traffic(store, 0, 60, failed=False)
    watch = AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=Channel())
    finish(watch)
    states = {one.rule: one for one in store.alerts.list_rule_states()}
    assert states["error-burn"].state == "fine" and states["error-burn"].at == clock.at
    assert (states["satisfaction-down"].state, states["satisfaction-down"].why) == (
        "cannot tell", "fewer than 30 ratings, or 100 earlier ones",
    )  # fmt: skip
    traffic(store, 60, 1, failed=False)
    clock.at += 60
    finish(AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=Channel()))
    after = {one.rule: one for one in store.alerts.list_rule_states()}
    assert after["error-burn"].at == clock.at and after["satisfaction-down"] == states["satisfaction-down"]


def test_a_rule_that_is_gone_says_nothing_any_more(store: SqlStore, tmp_path: Path) -> None:
    clock = Clock(START + 60 * 60 + 11)
    traffic(store, 0, 60, failed=False)
    finish(AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=Channel()))
    (tmp_path / "rules.yaml").write_text("rules: [{name: burn, kind: burn_rate}]")
    clock.at += 60
    only = msgspec.structs.replace(PLAN, rules=str(tmp_path / "rules.yaml"))
    finish(AlertWatch(store.minutes, store.alerts, only, clock=clock, send=Channel()))
    assert {one.rule for one in store.alerts.list_rule_states()} <= {"burn"}


def test_a_channel_that_is_down_is_tried_again_later_and_given_up_in_the_end(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START)
    broken = Condition(rule="disk-filling", severity="page", summary="full", evidence="97 %")
    watch = AlertWatch(store.minutes, store.alerts, PLAN, [lambda: [broken]], clock, channel)
    channel.down = True
    finish(watch)
    (alert,) = store.alerts.list_alerts(10)
    (notice,) = store.alerts.list_notices(alert.id)
    assert (notice.attempts, notice.error, notice.next_at) == (1, "it answered HTTP 500", START + 10)
    clock.at += 9
    finish(watch)
    assert store.alerts.list_notices(alert.id)[0].attempts == 1
    clock.at += 1
    channel.down = False
    finish(watch)
    assert channel.told == [("disk-filling", "firing")]
    assert store.alerts.list_notices(alert.id)[0].delivered_at == clock.at


def test_after_ten_tries_nobody_tries_any_more(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START)
    channel.down = True
    broken = Condition(rule="disk-filling", severity="page", summary="full", evidence="97 %")
    plan = msgspec.structs.replace(PLAN, repeat_s=1e9)
    watch = AlertWatch(store.minutes, store.alerts, plan, [lambda: [broken]], clock, channel)
    for _ in range(MAX_ATTEMPTS + 3):
        finish(watch)
        clock.at += 3601
    (alert,) = [one for one in store.alerts.list_alerts(10) if one.rule == "disk-filling"]
    (notice,) = store.alerts.list_notices(alert.id)
    assert notice.attempts == MAX_ATTEMPTS and notice.failed()


def test_a_condition_that_is_over_ends_its_alert(store: SqlStore) -> None:
    conditions = [Condition(rule="disk-filling", severity="ticket", summary="full", evidence="91 %")]
    clock = Clock(START)
    watch = AlertWatch(store.minutes, store.alerts, MonitoringPlan(), [lambda: conditions], clock, Channel())
    watch.run()
    assert [alert.ended_at for alert in store.alerts.list_alerts(10)] == [None]
    conditions.clear()
    clock.at += 60
    watch.run()
    assert [alert.ended_at for alert in store.alerts.list_alerts(10)] == [START + 60]


def test_without_traffic_nothing_is_wrong(store: SqlStore) -> None:
    watch = AlertWatch(store.minutes, store.alerts, PLAN, clock=Clock(START), send=Channel())
    watch.run()
    assert store.alerts.list_alerts(10) == []


def test_a_disk_says_when_it_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(used: int) -> None:
        import shutil
        from types import SimpleNamespace

        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=100 << 30, free=(100 - used) << 30))

    usage(89)
    assert check_disk(tmp_path) == []
    usage(90)
    assert [(one.severity, one.evidence) for one in check_disk(tmp_path)] == [
        ("ticket", f"90% of 100 GiB are used where {tmp_path} lies")
    ]
    usage(98)
    assert [one.severity for one in check_disk(tmp_path)] == ["page"]


SLOW = SloPlan(name="fast", kind="total", objective=0.99, threshold=0.5)  # `traffic` takes one second
SLO_PLAN = MonitoringPlan(channels=(HOOK,), slos=(SLOW,))


def test_an_objective_is_watched_and_its_alert_outlives_the_keeper(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START + 60 * 61 + 11)
    traffic(store, 0, 61, failed=False)
    finish(AlertWatch(store.minutes, store.alerts, SLO_PLAN, clock=clock, send=channel, series=store.series))
    assert channel.told == [("slo-fast", "firing")]
    (alert,) = store.alerts.list_alerts(10)
    assert alert.evidence.startswith("100.0% of 20 requests were bad in")
    clock.at += 60
    finish(AlertWatch(store.minutes, store.alerts, SLO_PLAN, clock=clock, send=channel, series=store.series))
    assert channel.told == [("slo-fast", "firing")]
    finish(AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=channel, series=store.series))
    assert channel.told[1:] == [("slo-fast", "resolved")]  # it is no objective any more


def test_an_objective_that_is_met_is_silent(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START + 60 * 61 + 11)
    traffic(store, 0, 61, failed=False)
    plan = msgspec.structs.replace(SLO_PLAN, slos=(msgspec.structs.replace(SLOW, threshold=1.5),))
    finish(AlertWatch(store.minutes, store.alerts, plan, clock=clock, send=channel, series=store.series))
    assert channel.told == []


def test_a_clock_that_jumps_an_hour_either_way_repeats_nothing(store: SqlStore) -> None:
    channel, clock = Channel(), Clock(START + 60 * 130)
    traffic(store, 0, 120, failed=False)
    traffic(store, 120, 10, failed=True)
    watch = AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=channel)
    clock.at = START + 60 * 130 + 11
    finish(watch)
    assert [kind for _, kind in channel.told] == ["firing"]
    for jump in (-3600.0, 7200.0, -3600.0):
        clock.at += jump
        finish(watch)
        clock.at += 60
        finish(watch)
    firing = [rule for rule, kind in channel.told if kind == "firing"]
    assert len(firing) == len(set(firing))  # an hour that never was may look like one without traffic, once


def test_ten_thousand_invented_names_are_watched_as_other(store: SqlStore) -> None:
    clock, records = Clock(START + 180.0), list[Admitted | Settled]()
    for index in range(10_000):
        name, at = f"n{index}", START + index % 60
        records.append(
            Admitted(
                request_id=name, at=at, key_id=f"k{index}", project="p", endpoint="/v1/chat/completions",
                route=f"r{index}", streamed=False,
            )
        )  # fmt: skip
        records.append(Settled(request_id=name, at=at, outcome="ok", status=200, model=f"m{index}", duration_s=1.0))
    store.ledger.drain("w", "s", 1, records)
    watch = AlertWatch(store.minutes, store.alerts, PLAN, clock=clock, send=Channel())
    finish(watch)
    assert watch._watch is not None and len(watch._watch._histories) <= 2 * (MAX_NAMES + 1) + 1
    hours = store.series.read(3600, 0, 10**12, tenant=None)
    assert len(hours) <= 1001 and any(row.model == "other" for row in hours)


class Sent:
    """What would have gone out: the kind of sender, the address, a secret with it, and the rest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[Any, ...]] = []
        monkeypatch.setattr(workflow, "post_json", self._post)
        monkeypatch.setattr(workflow, "send_mail", self._mail)
        monkeypatch.setattr(workflow, "send_apprise", self._apprise)

    def _post(self, url: Any, body: Any, key: Any = None) -> None:
        self.seen.append(("post", url.reveal(), key and key.reveal(), body))

    def _mail(self, url: Any, sender: str, to: Any, subject: str, text: str, user: Any, password: Any) -> None:
        self.seen.append(("mail", url.reveal(), password and password.reveal(), (sender, to, user)))

    def _apprise(self, url: Any, subject: str, text: str, *, is_bad: bool) -> None:
        self.seen.append(("apprise", url.reveal(), None, is_bad))


def test_each_kind_of_channel_is_told_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "secret")
    sent, alert = Sent(monkeypatch), make_test_alert(5.0)
    for channel in (
        ChannelPlan(name="a", kind="webhook", url="http://h", key="env:KEY"),
        ChannelPlan(name="b", kind="slack", url="http://s"),
        ChannelPlan(name="c", kind="pagerduty", key="env:KEY"),
        ChannelPlan(name="d", kind="email", url="smtp://m", to=("x@y.example",), user="u", password="env:KEY"),
        ChannelPlan(name="e", kind="email", url="smtp://m", to=("x@y.example",)),
        ChannelPlan(name="f", kind="apprise", url="ntfy://n"),
    ):
        send_notice(channel, alert, "firing", "http://console")
    send_notice(ChannelPlan(name="f", kind="apprise", url="ntfy://n"), alert, "resolved", "")
    kinds = [one[:3] for one in sent.seen]
    assert kinds == [
        ("post", "http://h", "secret"),
        ("post", "http://s", None),
        ("post", "https://events.pagerduty.com/v2/enqueue", None),  # its key stands in the event
        ("mail", "smtp://m", "secret"),
        ("mail", "smtp://m", None),
        ("apprise", "ntfy://n", None),
        ("apprise", "ntfy://n", None),
    ]
    assert sent.seen[2][3]["routing_key"] == "secret" and [one[3] for one in sent.seen[5:]] == [True, False]
    with pytest.raises(InputError, match="channel c: kind pagerduty needs a key"):
        send_notice(ChannelPlan(name="c", kind="pagerduty"), alert, "firing", "")
