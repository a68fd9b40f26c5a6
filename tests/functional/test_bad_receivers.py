"""Receivers that hang, redirect or answer garbage: tried again with growing waits, seen, and in nobody else's way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import until
from http_receiver import Receiver
from steward.adapters.notifiers.http import post_json
from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import FALLBACK_ATTEMPTS, Alert, NoticeKind
from steward.core.secret import Secret
from steward.monitoring.conditions import Condition
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.workflows.watch import AlertWatch, send_notice

FULL = Condition(rule="disk-filling", severity="page", summary="full", evidence="97 %")


class RawReceiver:
    """Accepts whoever comes, says `answer`, and holds the line open until it is closed."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self.connections = answer, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook?token=s3cret"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._held.append(accepted)
            if self._answer:
                accepted.sendall(self._answer)
                accepted.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for accepted in self._held:
            accepted.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    made.migrate()
    yield made
    made.close()


def list_told(receiver: Receiver) -> list[tuple[str, str]]:
    return sorted((body["alerts"][0]["labels"]["alertname"], body["status"]) for _, _, body in receiver.seen)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x00\xff\xfe\x16\x03\x01 garbage\r\n\r\n", "no valid answer: BadStatusLine"),
        (b"HTTP/1.1 200\x00OK\r\n", "no valid answer: BadStatusLine"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/elsewhere\r\ncontent-length: 0\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "HTTP 500"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n", "no valid answer: HTTPException"),
        (b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n", "no valid answer: LineTooLong"),
    ],
    ids=["garbage", "nul", "302", "500", "200 headers", "long line"],
)
def test_what_is_no_delivery_is_tried_again_seen_and_told_to_the_fallback(
    answer: bytes, said: str, store: SqlStore
) -> None:
    bad, spare = RawReceiver(answer), Receiver()
    plan = MonitoringPlan(
        channels=(
            ChannelPlan(name="bad", kind="webhook", url=bad.url, fallback="spare"),
            ChannelPlan(name="spare", kind="webhook", url=spare.url.reveal(), severities=()),
        )
    )
    now = [1_764_547_200.0]
    watch, tries = AlertWatch(store.minutes, store.alerts, plan, [lambda: [FULL]], lambda: now[0]), list[float]()
    try:
        while now[0] < 1_764_547_200.0 + 120:
            before = bad.connections
            watch.run()
            for sent in list(watch._sending.values()):
                sent.exception(timeout=30)
            if bad.connections > before:
                tries.append(now[0] - 1_764_547_200.0)
            now[0] += 1.0
        # each wait is twice the one before; the watch keeps what became of a try in its next round, a second later
        assert tries[:FALLBACK_ATTEMPTS] == [0.0, 11.0, 32.0, 73.0]
        assert list_told(spare) == [("channel-failing", "firing"), ("disk-filling", "firing")]
        opened = {alert.rule: alert for alert in store.alerts.list_alerts(10, open_only=True)}
        assert "bad refused 4 tries or more" in opened["channel-failing"].evidence
        assert said in opened["channel-failing"].evidence and "s3cret" not in opened["channel-failing"].evidence
    finally:
        watch.close()
        bad.close()
        spare.shutdown()
        spare.server_close()


def test_a_receiver_that_never_answers_holds_up_neither_the_watch_nor_another_channel(store: SqlStore) -> None:
    """As many alerts as would fill a pool of threads that all channels share."""
    silent, good = RawReceiver(b""), Receiver()
    plan = MonitoringPlan(
        channels=(
            ChannelPlan(name="silent", kind="webhook", url=silent.url),
            ChannelPlan(name="good", kind="webhook", url=good.url.reveal()),
        )
    )
    wrong = [Condition(rule=f"wrong-{n}", severity="page", summary="s", evidence="e") for n in range(20)]
    clock = [1_764_547_200.0]
    watch = AlertWatch(store.minutes, store.alerts, plan, [lambda: wrong], lambda: clock[0])
    try:
        begun = time.monotonic()
        watch.run()
        until(lambda: len(good.seen) == 20, 9)  # sooner than the first try at the silent one ends, after 10 s
        watch.run()
        assert time.monotonic() - begun < 9 and silent.connections == 1
        notices = [notice for alert in store.alerts.list_alerts(30) for notice in store.alerts.list_notices(alert.id)]
        assert {one.channel for one in notices if one.delivered_at is not None} == {"good"}
        assert sum(one.channel == "good" for one in notices) == 20
    finally:
        watch.close()
        silent.close()
        good.shutdown()
        good.server_close()


def test_a_receiver_that_times_out_is_a_failure_with_its_reason(store: SqlStore) -> None:
    silent, spare = RawReceiver(b""), Receiver()
    plan = MonitoringPlan(
        channels=(
            ChannelPlan(name="silent", kind="webhook", url=silent.url, fallback="spare"),
            ChannelPlan(name="spare", kind="webhook", url=spare.url.reveal(), severities=()),
        )
    )

    def send(channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        if channel.name == "silent":
            post_json(Secret(silent.url), {}, timeout_s=0.1)  # rather than ten seconds
        else:
            send_notice(channel, alert, kind, page)

    clock = [1_764_547_200.0]
    watch = AlertWatch(store.minutes, store.alerts, plan, [lambda: [FULL]], lambda: clock[0], send)
    try:
        for _ in range(25):
            watch.run()
            for sent in list(watch._sending.values()):
                sent.exception(timeout=30)
            clock[0] += 5.0
        assert list_told(spare) == [("channel-failing", "firing"), ("disk-filling", "firing")]
        (failing,) = [one for one in store.alerts.list_alerts(10) if one.rule == "channel-failing"]
        assert "it did not answer within 0.1 s" in failing.evidence
    finally:
        watch.close()
        silent.close()
        spare.shutdown()
        spare.server_close()
