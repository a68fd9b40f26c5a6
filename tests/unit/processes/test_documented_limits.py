"""Sizes and times of a deployment's processes, as the comments beside them and the documentation have them."""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "child.BACKOFF_S": (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    "child.STEADY_S": 30.0,
    "fork_server.REPLY_S": 10.0,
    "fork_server._MESSAGE_BYTES": 65_536,
    "fork_server._MOST_FDS": 8,
    "reloader.POLL_S": 0.25,
    "reloader.CALM_S": 0.5,
    "supervisor.SWAP_S": 30.0,
    "supervisor.ENGINE_S": 600.0,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("processes", name) == SIZES[name]
