"""When audits are due, and the command that runs one."""

from __future__ import annotations

import pytest

from steward.governance.fairness_schedule import AuditRun, FairnessAudit, choose_due, find_due_at, make_arguments

WEEK_S = 7 * 86400.0
AUDIT = FairnessAudit(name="support", suite="s.yaml", model="assistant", every_s=WEEK_S, margin=0.1)


def ran(started_at: float, code: int | None = 0, ended_at: float | None = None) -> AuditRun:
    return AuditRun(started_at=started_at, folder="f", pid=1, ended_at=ended_at, exit_code=code)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (None, "running"),
        (0, "alike"),
        (1, "different"),
        (3, "cannot tell"),
        (2, "failed"),
        (4, "failed"),
        (-9, "failed"),
    ],
)
def test_what_the_exit_of_a_run_means(code: int | None, result: str) -> None:
    assert ran(0.0, code).result == result


def test_one_that_never_ran_is_due_at_once() -> None:
    assert find_due_at(AUDIT, None) == 0.0 and choose_due([AUDIT], {}, 0.0) == AUDIT


@pytest.mark.parametrize("code", [0, 1, 3])
def test_it_repeats_from_when_it_began_whatever_it_found(code: int) -> None:
    runs = {"support": ran(100.0, code, 900.0)}
    assert choose_due([AUDIT], runs, 99.9 + WEEK_S) is None
    assert choose_due([AUDIT], runs, 100.0 + WEEK_S) == AUDIT


@pytest.mark.parametrize(("every_s", "wait_s"), [(WEEK_S, 3600.0), (60.0, 60.0)])
def test_one_that_failed_is_tried_again_in_an_hour_or_sooner(every_s: float, wait_s: float) -> None:
    audit = FairnessAudit(name="a", suite="s", model="m", every_s=every_s, margin=0.1)
    assert find_due_at(audit, ran(100.0, 2, 500.0)) == 500.0 + wait_s


def test_the_one_that_has_waited_longest_comes_first() -> None:
    other = FairnessAudit(name="other", suite="s", model="m", every_s=60.0, margin=0.1)
    runs = {"support": ran(100.0), "other": ran(WEEK_S)}
    assert choose_due([AUDIT, other], runs, 200.0 + WEEK_S) == other
    assert choose_due([other, AUDIT], runs, 200.0 + WEEK_S) == other
    assert choose_due([AUDIT, other], {"other": ran(0.0)}, 200.0 + WEEK_S) == AUDIT
    assert choose_due([], {}, 0.0) is None


def test_the_command_is_one_that_a_person_could_run() -> None:
    swaps = FairnessAudit(name="a", suite="s", model="m", every_s=60.0, margin=0.05, swaps=("gender", "origin:x"))
    assert make_arguments(AUDIT, "out", "home") == [
        "fairness", "run", "s.yaml", "--model", "assistant", "--out", "out", "--margin", "0.1", "--home", "home",
    ]  # fmt: skip
    assert make_arguments(swaps, "o", "h")[-6:] == ["--swap", "gender", "--swap", "origin:x", "--home", "h"]
