"""One scope's counts in a file: what counts when, what another process sees, and what becomes of a damaged file (S19).

Expected values are counted by hand from the window of 60 s, and of 61 whole seconds for tokens.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steward.adapters.limits.window_file import Processes, WindowFile

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC
DAY = 86_400.0


@contextmanager
def open_window(folder: Path, capacity: int = 3) -> Iterator[WindowFile]:
    processes = Processes(folder)
    window = WindowFile(folder / "w", processes)
    window.ensure_capacity(capacity)
    yield window
    window.close()
    processes.close()


def test_requests_are_free_again_after_a_minute(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        assert window.free(3, NOON) == 3
        for second in (0, 10, 20):
            window.push(NOON + second)
        assert [window.free(3, NOON + at) for at in (59.9, 60.0, 70.0, 80.0)] == [0, 1, 2, 3]
        window.pull(NOON + 10)
        assert window.free(3, NOON + 30) == 1 and window.start_of(1) == NOON + 20


def test_tokens_are_free_again_sixty_one_seconds_after_their_second_began(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        window.add_tokens(NOON + 0.5, 100, NOON + 0.5)
        window.add_tokens(NOON + 0.5, -40, NOON + 1)  # some are given back
        window.add_tokens(NOON + 30, 7, NOON + 30)
        assert [window.tokens(NOON + at) for at in (30, 60.9, 61, 90.9, 91)] == [67, 67, 7, 7, 0]
        window.add_tokens(NOON, 50, NOON + 91)  # of a second that counts no more
        assert window.tokens(NOON + 91) == 0


def test_money_counts_in_its_day_and_month(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        window.add_money(NOON, 1.25, NOON)
        assert window.read_spending(NOON) == (1.25, 1.25)
        assert window.read_spending(NOON + DAY) == (0.0, 1.25)
        window.add_money(NOON, -0.25, NOON + DAY)  # given back in a day that is over
        assert window.read_spending(NOON + DAY) == (0.0, 1.0)
        assert window.read_spending(NOON + 31 * DAY) == (0.0, 0.0)


def test_what_is_yet_to_come_counts_no_more_once_a_clock_is_set_back(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        for _ in range(3):
            window.push(NOON + 3600)
        assert window.tokens(NOON + 3600) == 0
        window.add_tokens(NOON + 3600, 9, NOON + 3600)
        window.follow_clock(NOON)
        assert window.free(3, NOON) == 3 and window.tokens(NOON) == 0


def test_another_process_sees_the_same_counts_and_a_larger_ring_keeps_them(tmp_path: Path) -> None:
    with open_window(tmp_path) as one, open_window(tmp_path) as other:
        one.push(NOON)
        assert other.free(3, NOON) == 2
        assert one.add_running(1) and other.add_running(2) and one.count_running() == 3
        other.ensure_capacity(10)
        assert other.free(10, NOON) == 9 and other.start_of(1) == NOON


def test_requests_of_a_dead_process_run_no_more(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        with open_window(tmp_path) as dead:
            dead.add_running(5)
        window.add_running(1)
        assert window.count_running() == 6
        window.forget_dead()
        assert window.count_running() == 1


@pytest.mark.parametrize("data", [b"\xff" * 4096, b"\x00\xff garbage {", b"\x03" + bytes(7) + b"\x09" + bytes(4000)])
def test_s19_a_damaged_file_is_named_and_counts_anew(
    data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A capacity of so many requests had asked for exabytes, and each request of the key was 500."""
    (tmp_path / "w").write_bytes(data)
    with caplog.at_level(logging.WARNING), open_window(tmp_path) as window:
        assert window.free(3, NOON) == 3 and window.tokens(NOON) == 0 and window.read_spending(NOON) == (0.0, 0.0)
        window.push(NOON)
        assert window.free(3, NOON) == 2
    assert f"{tmp_path / 'w'} is damaged" in caplog.text


def test_a_file_that_is_whole_is_no_damaged_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for capacity in (0, 3, 2):
        with open_window(tmp_path, capacity) as window:
            window.add_money(NOON, 1.0, NOON)
    with open_window(tmp_path) as window:
        assert window.read_spending(NOON) == (3.0, 3.0) and not caplog.records


def test_a_process_is_alive_for_as_long_as_it_holds_its_lock(tmp_path: Path) -> None:
    one, other = Processes(tmp_path), Processes(tmp_path)
    assert one.is_alive(other.number) and one.is_alive(one.number) and not one.is_alive(other.number + 2)
    file = next(path for path in tmp_path.iterdir() if f"{other.number:014x}" in path.name)
    os.close(other._fd)  # as the system does where it was killed
    assert not one.is_alive(other.number) and not file.exists()
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_ring_that_has_begun_anew_is_counted_over_its_end(tmp_path: Path) -> None:
    with open_window(tmp_path) as window:
        for second in (0, 10, 20, 60):
            window.push(NOON + second)
        free = [window.free(3, NOON + at) for at in (69.9, 70.0, 75.0, 80.0, 119.9, 120.0)]
        assert free == [0, 1, 1, 2, 2, 3]
