"""S6: thousands of keys share a bounded number of open files; without descriptors the answer is a 503."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from steward.adapters.limits.local import MOST_OPEN, LocalLimiter
from steward.core.errors import Exhausted, find_exhausted
from steward.core.records import LimitSpec, Scope
from steward.gateway.app import explain_failure

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_open_files_stay_bounded_while_keys_do_not(tmp_path: Path) -> None:
    async def go() -> int:
        limiter = LocalLimiter(tmp_path)
        before = count_descriptors()
        for number in range(3 * MOST_OPEN):
            scope = Scope(f"key:{number}", LimitSpec(requests_per_minute=5))
            assert (await limiter.reserve("r", (scope,), 0, 0.0, NOON))[1] is not None
        opened = count_descriptors() - before
        await limiter.close()
        return opened

    assert asyncio.run(go()) <= 2 * MOST_OPEN


def test_counts_are_exact_though_files_are_closed_in_between(tmp_path: Path) -> None:
    async def go() -> list[bool]:
        limiter = LocalLimiter(tmp_path, most_open=2)
        scopes = [Scope(f"key:{number}", LimitSpec(requests_per_minute=3, concurrent=9)) for number in range(5)]
        allowed = []
        for _ in range(4):
            for scope in scopes:
                decision, _held = await limiter.reserve("r", (scope,), 1, 0.0, NOON)
                allowed.append(decision.allowed)
        await limiter.close()
        return allowed

    assert asyncio.run(go()) == [True] * 15 + [False] * 5


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_process_without_descriptors_says_so(number: int) -> None:
    error = explain_failure(OSError(number, os.strerror(number)), "req_1")
    assert (error.status, error.code) == (503, "out_of_resources") and "file descriptors" in error.message


def test_another_failure_of_the_system_is_our_mistake() -> None:
    assert find_exhausted(OSError(errno.EBADF, "")) is None
    assert explain_failure(OSError(errno.EBADF, ""), "req_1").status == 500
    assert explain_failure(Exhausted("the disk is full"), "req_1").status == 503
