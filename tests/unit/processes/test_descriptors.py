from __future__ import annotations

import logging

import pytest

from steward.processes.descriptors import DescriptorRoom


@pytest.mark.parametrize(
    ("limit", "last"), [(1024, 895), (20_000, 17_499), (7, 6)]
)  # an eighth is kept, of as few as seven none
def test_the_last_eighth_is_kept_from_connections(limit: int, last: int) -> None:
    room = DescriptorRoom(lambda: limit)
    assert room.admits(last) and not room.admits(last + 1)


def test_without_a_limit_there_is_room() -> None:
    assert DescriptorRoom(lambda: -1).admits(10**9)  # RLIM_INFINITY
    assert not DescriptorRoom(lambda: 0).admits(0)


def test_the_log_is_told_once_a_minute_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    room = DescriptorRoom(lambda: 1024, lambda: now[0])
    with caplog.at_level(logging.WARNING):
        told = {}
        for now[0] in (0.0, 1.0, 59.9, 60.0, 119.9, 120.0):
            assert not room.admits(1000)
            told[now[0]] = len(caplog.messages)
    assert told == {0.0: 1, 1.0: 1, 59.9: 1, 60.0: 2, 119.9: 2, 120.0: 3}
    assert "1,024 file descriptors" in caplog.text and "ulimit -n" in caplog.text
