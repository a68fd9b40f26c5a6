"""Sizes and times of a deployment's processes, as the comments beside them and the documentation have them."""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "child.BACKOFF_S": (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    "child.STEADY_S": 30.0,
    "descriptors.KEPT_SHARE": 8,
    "descriptors.TELL_EVERY_S": 60.0,
    "fork_server.REPLY_S": 10.0,
    "fork_server._MESSAGE_BYTES": 65_536,
    "fork_server._MOST_FDS": 8,
    "http_protocol.MOST_HEAD_BYTES": 65_536,  # four times Node's
    "http_protocol.LOOK_BYTES": 8_192,
    "http_protocol.MOST_HEADERS": 200,  # twice Apache's LimitRequestFields
    "http_protocol.MOST_PIPELINED": 64,
    "http_protocol.MOST_FRAMING_BYTES": 16_384,  # Go's, of CVE-2023-39326
    "http_protocol.CHUNK_BYTES": 16,
    "http_protocol.MOST_LEARNT": 8,
    "http_protocol.MOST_DROPPED_BYTES": 67_108_864,
    "http_protocol.LINGER_S": 2.0,
    "http_protocol.BYTES_PER_S": 500.0,  # Apache's mod_reqtimeout
    "http_protocol.HEAD_TIMES": 2,
    "http_protocol.BODY_TIMES": 6,
    "known_head.MOST_DIGITS": 6,
    "lifeline._PR_SET_DUMPABLE": 4,  # linux/prctl.h
    "lifeline._PR_SET_CHILD_SUBREAPER": 36,  # there
    "lifeline._MALLOPT": {
        "MALLOC_MMAP_THRESHOLD_": -3,
        "MALLOC_TRIM_THRESHOLD_": -1,
        "MALLOC_ARENA_MAX": -8,
    },  # malloc.h
    "reloader.POLL_S": 0.25,
    "reloader.CALM_S": 0.5,
    "supervisor.SWAP_S": 30.0,
    "supervisor.ENGINE_S": 600.0,
    "tls_server.PAUSE_S": 0.2,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("processes", name) == SIZES[name]
