"""Timelines of requests, and which are kept."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.records import Attempt
from steward.core.traces import (
    TraceContext,
    TracePolicy,
    TraceStage,
    build_trace,
    choose_reason,
    choose_traces,
    continue_trace,
    make_ids,
    parse_traceparent,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # the example of W3C Trace Context, section 3.2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceContext(TRACE, SPAN, "01")),
        (f"00-{TRACE}-{SPAN}-00", TraceContext(TRACE, SPAN, "00")),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future", TraceContext(TRACE, SPAN, "01")),  # of a later version
        (f"cc-{TRACE}-{SPAN}-01what", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
        (None, None),
    ],
)
def test_trace_contexts_are_read_as_w3c_says(text: str | None, expected: TraceContext | None) -> None:
    assert parse_traceparent(text) == expected


def test_an_upstream_learns_the_clients_trace_with_the_request_as_parent() -> None:
    span_id = make_ids("req_1")[1]
    assert continue_trace(f"00-{TRACE}-{SPAN}-00", "req_1") == f"00-{TRACE}-{span_id}-00"


@pytest.mark.parametrize("text", [None, "nonsense"])
def test_without_a_trace_of_the_client_one_begins(text: str | None) -> None:
    trace_id, span_id = make_ids("req_1")
    assert continue_trace(text, "req_1") == f"00-{trace_id}-{span_id}-01"
    assert (len(trace_id), len(span_id)) == (32, 16)
    assert make_ids("req_2") != make_ids("req_1")


def row(**changed: Any) -> dict[str, Any]:
    return {
        "request_id": "req_00000003e80123456789abcd", "at": 16.002, "duration_s": 1.0, "tenant": "t", "key_id": "k",
        "endpoint": "/v1/chat/completions", "route": "r", "model": "m", "streamed": True, "outcome": "ok",
        "status": 200, "input_tokens": 3, "output_tokens": 4, "usd": None, "ttft_s": 0.4,
        "guards": "pii=allow, pii:answer=allow", "masked": None, "ready_s": 0.2, "queued_s": 0.15,
        "traceparent": None, **changed,
    }  # fmt: skip


NONE = TracePolicy(sample=0.0, slow_s=1.0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"outcome": "timeout", "status": 504, "duration_s": 9.0}, "error"),
        ({"outcome": "lost", "status": 500}, "error"),
        ({"duration_s": 1.001}, "slow"),
        ({"masked": '{"email":1}'}, "flagged"),
        ({"guards": "pii=block", "outcome": "refused", "status": 400}, "flagged"),
        ({"outcome": "refused", "status": 400}, None),
        ({"key_id": "shadow", "outcome": "timeout", "status": 504}, None),
    ],
)
def test_errors_and_what_is_slow_or_flagged_are_always_kept(changed: dict[str, Any], reason: str | None) -> None:
    assert choose_reason(row(**changed), NONE) == reason
    assert [kept_for for _, kept_for in choose_traces([row(**changed)], NONE)] == ([reason] if reason else [])


def test_a_share_of_the_others_is_kept() -> None:
    policy = TracePolicy(sample=0.1)
    kept = [choose_reason(row(request_id=f"req_{number}"), policy) for number in range(5000)]
    assert 420 < kept.count("sampled") < 580  # 500, four standard deviations
    assert set(kept) == {"sampled", None}
    rows = [row(request_id=f"req_{number}") for number in range(5000)]
    assert [one["request_id"] for one, _ in choose_traces(rows, policy)] == [
        one["request_id"] for one, reason in zip(rows, kept, strict=True) if reason
    ]
    assert choose_reason(row(), TracePolicy(sample=1.0)) == "sampled"
    assert choose_reason(row(request_id="req_7"), policy) == choose_reason(row(request_id="req_7"), policy)


def stages(attempts: tuple[Attempt, ...] = (), **changed: Any) -> list[tuple[str, float, float]]:
    trace = build_trace(row(**changed), None, attempts)
    return [(stage.name, round(stage.start_s, 6), round(stage.duration_s, 6)) for stage in trace.stages]


def test_the_timeline_of_a_streamed_request_with_a_fallback() -> None:
    """Its id was made at 16.000 s, 2 ms before the handler began."""
    attempts = (Attempt("a", 503, "overloaded", 16.252, 0.05), Attempt("m", 200, None, 16.302, 0.1))
    assert stages(attempts) == [
        ("authenticate", -0.002, 0.002),
        ("read and admit", 0.0, 0.05),
        ("queue", 0.05, 0.15),
        ("guards and prompt", 0.2, 0.05),
        ("attempt", 0.25, 0.05),
        ("attempt", 0.3, 0.1),
        ("first byte", 0.4, 0.0),
        ("stream", 0.4, 0.6),
        ("settle", 1.0, 0.0),
    ]
    trace = build_trace(row(), "slow", attempts)
    assert [stage.detail for stage in trace.stages if stage.name == "attempt"] == ["a 503: overloaded", "m 200"]
    assert trace.guards == ("pii=allow", "pii:answer=allow") and trace.kept_for == "slow"
    assert trace.stages[-1] == TraceStage("settle", 1.0, 0.0, "ok")


def test_a_whole_answer_has_no_stream_and_one_that_never_came_no_first_byte() -> None:
    assert ("stream" in [name for name, *_ in stages(streamed=False)]) is False
    assert [name for name, *_ in stages(ttft_s=None)] == ["authenticate", "read and admit", "queue", "settle"]


def test_a_row_of_before_there_were_traces() -> None:
    attempt = Attempt("m", None, "no answer", 16.1, 5.0)
    old = stages((attempt,), ready_s=None, queued_s=None, ttft_s=None, request_id="an-older-id")
    assert old == [("attempt", 0.098, 0.902), ("settle", 1.0, 0.0)]


def test_a_clock_that_jumps_bends_no_timeline() -> None:
    attempt = Attempt("m", 200, None, 3616.0, 0.1)
    assert ("attempt", 1.0, 0.0) in stages((attempt,))
    back = Attempt("m", 200, None, 2.0, 0.1)
    assert ("attempt", 0.2, 0.1) in stages((back,))
    assert stages(request_id="req_0000369e99f")[0][0] == "read and admit"  # an hour away: no arrival is known


def test_ids_are_the_clients_where_it_sent_some() -> None:
    own = build_trace(row(), None, ())
    assert (own.trace_id, own.span_id) == make_ids(own.request_id) and own.parent_span_id is None
    theirs = build_trace(row(traceparent=f"00-{TRACE}-{SPAN}-01"), None, ())
    assert (theirs.trace_id, theirs.parent_span_id, theirs.span_id) == (TRACE, SPAN, own.span_id)


@pytest.mark.parametrize(("late_s", "is_known"), [(59.9, True), (60.0, False), (-59.9, True), (-60.0, False)])
def test_an_arrival_is_known_where_the_two_clocks_are_within_a_minute(late_s: float, is_known: bool) -> None:
    """The id says that the head had arrived at 16.000 s."""
    assert (stages(at=16.0 + late_s)[0][0] == "authenticate") == is_known
