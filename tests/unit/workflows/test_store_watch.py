"""The store is gone, and comes back."""

from __future__ import annotations

import logging

import pytest

from steward.core.alerts import Alert, NoticeKind
from steward.core.errors import Unavailable
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.workflows.store_watch import GONE_S, StoreWatch

HOOK = ChannelPlan(name="hook", kind="webhook", url="http://h")
TICKETS = ChannelPlan(name="tickets", kind="webhook", url="http://t", severities=("ticket",))


class Scene:
    """A store that answers or not, a clock, and what was told."""

    def __init__(self, channels: tuple[ChannelPlan, ...] = (HOOK, TICKETS)) -> None:
        self.gone, self.now, self.refuses = False, 1000.0, False
        self.down: set[str] = set()
        self.told: list[tuple[str, NoticeKind, float, float | None]] = []
        plan = MonitoringPlan(channels=channels)
        self.watch = StoreWatch(self.check, lambda: plan, self.send, lambda: self.now)

    def check(self) -> None:
        if self.gone:
            raise Unavailable("the store does not answer")

    def send(self, channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        if self.refuses or channel.name in self.down:
            raise Unavailable("it answered HTTP 500")
        self.told.append((channel.name, kind, alert.started_at, alert.ended_at))

    def step(self, seconds: float, gone: bool) -> list[tuple[str, NoticeKind, float, float | None]]:
        self.now, self.gone = self.now + seconds, gone
        self.watch.run()
        for _, sent in self.watch._sending:
            sent.exception(timeout=60)
        return self.told


def test_an_hour_without_the_store_is_one_page_and_one_end() -> None:
    scene = Scene()
    assert scene.step(0.0, gone=False) == []
    assert scene.step(5.0, gone=True) == []
    assert scene.step(GONE_S - 0.1, gone=True) == []
    assert scene.step(0.1, gone=True) == [("hook", "firing", 1005.0, None)]
    for _ in range(600):
        scene.step(5.0, gone=True)
    assert len(scene.told) == 1
    end = scene.now + 5.0
    assert scene.step(5.0, gone=False)[1:] == [("hook", "resolved", 1005.0, end)]
    scene.step(5.0, gone=False)
    assert len(scene.told) == 2


def test_a_store_that_is_locked_for_a_moment_wakes_nobody() -> None:
    scene = Scene()
    for gone in (True, False) * 50:
        scene.step(GONE_S - 1.0, gone)
    assert scene.told == []


def test_a_channel_that_does_not_take_it_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.refuses = True
    scene.step(0.0, gone=True)
    with caplog.at_level(logging.WARNING):
        scene.step(GONE_S, gone=True)
        for _ in range(3):
            scene.step(5.0, gone=True)
    assert caplog.text.count("channel hook could not be told that the store is gone: it answered HTTP 500") == 1


def test_the_fallback_is_told_where_a_channel_does_not_take_it() -> None:
    first = ChannelPlan(name="first", kind="webhook", url="http://f", fallback="spare")
    spare = ChannelPlan(name="spare", kind="webhook", url="http://s", severities=())
    scene = Scene((first, spare))
    scene.down.add("first")
    scene.step(0.0, gone=True)
    assert scene.step(GONE_S, gone=True) == [("spare", "firing", 1000.0, None)]
