"""Which event is the first that says something."""

import pytest

from steward.core.errors import Unavailable
from steward.gateway.first_event import HEARTBEAT, HEARTBEAT_S, has_data, take_events
from steward.gateway.sse import Scanner, is_comment


def test_comments_and_null_say_nothing() -> None:
    assert has_data(b"data: {}\n\n") and has_data(b"data: [DONE]\n\n") and has_data(b"event: x\ndata: y\n\n")
    for event in (b": wait\n\n", b"data: null\n\n", b"data:\n\n", b"event: ping\n\n", b"\n\n"):
        assert not has_data(event)


def test_events_are_kept_up_to_the_first_with_data() -> None:
    scanner, events = Scanner(), []  # type: tuple[Scanner, list[bytes]]
    assert take_events(b": a\n\n: b\n\nda", scanner, events) is None
    assert take_events(b"ta: {}\n\ndata: {1}\n\n", scanner, events) == b"{}"
    assert events == [b": a\n\n", b": b\n\n", b"data: {}\n\n", b"data: {1}\n\n"]


def test_an_end_may_complete_an_event_or_be_too_early() -> None:
    scanner, events = Scanner(), []  # type: tuple[Scanner, list[bytes]]
    assert take_events(b"data: {}", scanner, events) is None
    assert take_events(b"", scanner, events) == b"{}"
    with pytest.raises(Unavailable, match="before the first event"):
        take_events(b"", Scanner(), [])


def test_the_heartbeat_is_a_comment_sooner_than_clients_give_up() -> None:
    assert is_comment(HEARTBEAT) and HEARTBEAT.endswith(b"\n\n") and 1 <= HEARTBEAT_S < 3
