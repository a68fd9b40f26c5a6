from typing import Any

from steward.loadtest.sweep import SweepPoint, choose_next_sweep_rate, summarize_sweep


def point(rate=None, users=None, answered=0.0, saturated=False):
    nothing = dict.fromkeys(("ttft_p50_ms", "ttft_p95_ms", "tpot_p50_ms", "tpot_p95_ms", "e2e_p50_ms", "e2e_p95_ms"))
    return SweepPoint(
        rate=rate, concurrency=users, achieved_rate=rate or 0.0, answered_rate=answered, output_tok_s=0.0,
        concurrency_mean=0.0, failed=0, saturated=saturated, valid=True, **nothing,
    )  # fmt: skip


def test_a_sweep_doubles_until_saturated_and_then_looks_closer():
    points: list[Any] = []
    while (rate := choose_next_sweep_rate(points, 1.0, 12)) is not None:
        points.append(point(rate, answered=min(rate, 10), saturated=rate > 10))
    found = summarize_sweep("m", "u", "poisson", points)
    assert found.capacity_rate == 10 and 10 < found.saturates_at < 11.5 and len(points) <= 12


def test_users_that_bring_nothing_more_are_the_knee():
    points = [point(users=count, answered=min(count, 8) * 5.0) for count in (1, 2, 4, 8, 16, 32)]
    assert summarize_sweep("m", "u", "concurrency", points).saturates_at == 16
