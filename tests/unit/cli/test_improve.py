"""What `steward improve status` says of a run that is under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.cli.improve import _describe_holder, _describe_step
from steward.core.improvements import ImprovementRun, ImprovementStep


@pytest.mark.parametrize(
    ("holder", "heartbeat_at", "said"),
    [
        ("here:7", 97.4, "imp_1 is carried out by here:7, heard of 3 s ago; its logs: '/a home/improve/imp_1'"),
        ("here:7", 300.0, "imp_1 is carried out by here:7, heard of 0 s ago; its logs: '/a home/improve/imp_1'"),
        ("", 97.4, "imp_1 waits for a process; its logs: '/a home/improve/imp_1'"),
    ],
)
def test_who_carries_a_run_out_and_where_its_logs_are(holder: str, heartbeat_at: float, said: str) -> None:
    run = ImprovementRun(
        id="imp_1", trigger="manual", why="", state="running", steps=(), started_at=1.0, started_by="me",
        holder=holder, heartbeat_at=heartbeat_at,
    )  # fmt: skip
    assert _describe_holder(run, Path("/a home"), 100.0) == said


def test_a_step_that_is_tried_again_says_so() -> None:
    assert [_describe_step(ImprovementStep(name="t", command=(), state="running", attempts=n)) for n in (1, 2)] == [
        "t running", "t running (2 tries)",
    ]  # fmt: skip
