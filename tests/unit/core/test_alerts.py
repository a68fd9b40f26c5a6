"""Silences, and how often and when a channel is told again."""

from __future__ import annotations

import pytest

from steward.core.alerts import MAX_ATTEMPTS, ChannelState, Notice, Silence, wait_s


@pytest.mark.parametrize(
    ("rule", "asked", "now", "covered"),
    [
        ("slow", "slow", 10.0, True),
        ("slow", "slow", 9.9, False),
        ("slow", "slow", 19.9, True),
        ("slow", "slow", 20.0, False),  # its end is no part of it
        ("slow", "other", 15.0, False),
        ("*", "other", 15.0, True),
    ],
)
def test_a_silence_covers_its_rule_for_its_time(rule: str, asked: str, now: float, covered: bool) -> None:
    silence = Silence(id="s", rule=rule, starts_at=10.0, ends_at=20.0, comment="", created_by="operator:1")
    assert silence.covers(asked, now) is covered


@pytest.mark.parametrize(
    ("attempts", "delivered_at", "failed"), [(0, None, False), (9, None, False), (10, None, True), (10, 5.0, False)]
)
def test_after_ten_attempts_nobody_tries_any_more(attempts: int, delivered_at: float | None, failed: bool) -> None:
    notice = Notice(
        id="n", alert_id="a", channel="c", kind="firing", created_at=0.0, attempts=attempts, delivered_at=delivered_at
    )
    assert notice.failed() is failed


def test_waits_double_up_to_an_hour() -> None:
    assert [wait_s(attempts) for attempts in range(1, 11)] == [
        10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 3600.0,
    ]  # fmt: skip
    assert wait_s(10_000) == 3600.0
    assert sum(wait_s(attempts) for attempts in range(1, MAX_ATTEMPTS)) == 5_110.0  # 10 * (2**9 - 1)


def test_a_silence_that_ended_in_the_past_covers_nothing() -> None:
    silence = Silence(id="1", rule="*", starts_at=10.0, ends_at=20.0, comment="", created_by="o")
    assert [silence.covers("a", at) for at in (9.9, 10.0, 19.9, 20.0, 1e9)] == [False, True, True, False, False]
    backwards = Silence(id="2", rule="*", starts_at=20.0, ends_at=10.0, comment="", created_by="o")
    assert not any(backwards.covers("a", at) for at in (9.0, 10.0, 15.0, 20.0))


@pytest.mark.parametrize(
    ("attempts", "delivered_at", "needed"), [(3, None, False), (4, None, True), (10, None, True), (4, 5.0, False)]
)
def test_after_four_attempts_another_channel_is_told(attempts: int, delivered_at: float | None, needed: bool) -> None:
    notice = Notice(
        id="n", alert_id="a", channel="c", kind="firing", created_at=0.0, attempts=attempts, delivered_at=delivered_at
    )
    assert notice.needs_fallback() is needed


@pytest.mark.parametrize(
    ("delivered_at", "refused_at", "failing"),
    [
        (None, None, False),
        (5.0, None, False),
        (None, 5.0, True),
        (5.0, 5.0, False),
        (5.0, 5.1, True),
        (6.0, 5.0, False),
    ],
)
def test_a_channel_fails_until_it_takes_something(
    delivered_at: float | None, refused_at: float | None, failing: bool
) -> None:
    assert ChannelState(channel="c", delivered_at=delivered_at, refused_at=refused_at).is_failing() is failing
