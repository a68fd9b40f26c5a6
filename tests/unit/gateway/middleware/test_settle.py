"""One row before a request is dispatched, one after its answer ended, on every path out."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import msgspec
import pytest

from steward.core.errors import Exhausted, Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Admitted, Attempt
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.ledger import encode_frame
from steward.gateway.middleware import settle
from steward.gateway.middleware.settle import (
    build_admitted,
    build_settled,
    model_cost,
    outcome_of_status,
    price_attempt,
    read_ending,
    stream_outcome,
)
from steward.gateway.models import ModelEntry
from steward.gateway.pricing.prices import Counts, Prices
from steward.gateway.wire_fields import Request, TokenUsage

CALLER = Caller(principal=Principal(kind="key", id="k", tenant="t", project="p", team="team"))


def exchange(usage: TokenUsage | None) -> Exchange:
    made = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    made.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    made.usage, made.events = usage, 3
    return made


@pytest.mark.parametrize("count", [-1, 10**12, 10**30])
def test_usage_that_nobody_can_have_used_is_replaced_by_the_estimate(count: int) -> None:
    record = build_settled(exchange(TokenUsage(prompt_tokens=5, completion_tokens=count)), "ok", 200, {})
    assert (record.output_tokens, record.estimated) == (3, True)
    assert encode_frame(record)  # 10**30 fits no frame and no database


def test_usage_of_the_upstream_counts() -> None:
    record = build_settled(exchange(TokenUsage(prompt_tokens=5, completion_tokens=0)), "ok", 200, {})
    assert (record.input_tokens, record.output_tokens, record.estimated) == (5, 0, False)


def test_the_version_is_the_files_where_it_is_known_and_else_what_the_upstream_says() -> None:
    one = exchange(None)
    one.model, one.answered_by = "m", "gpt-4o-2024-08-06 fp_1"
    entry = ModelEntry("m", cast(Any, None), "gpt-4o")
    assert build_settled(one, "ok", 200, {"m": entry}).model_version == "gpt-4o-2024-08-06 fp_1"
    entry.version = "sha256:ab"
    assert build_settled(one, "ok", 200, {"m": entry}).model_version == "sha256:ab"


class Ended:
    """A stream that has ended, or not, and perhaps broke by a mistake of ours."""

    filter = budget = None

    def __init__(self, ended: bool = True, broke: bool = False) -> None:
        self.ended, self.broke = ended, broke

    def __aiter__(self) -> Ended:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def forward(self, write: Any) -> None: ...


class Rows:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def append(self, record: Any) -> None:
        self.rows.append(record)


def settled_after(inner: Any, closed: bool = False) -> tuple[Any, Exchange, Any]:
    """The settled row, the exchange, and what came of it."""
    rows, one = Rows(), exchange(None)
    one.client_closed = closed

    async def go() -> Any:
        try:
            return await settle(rows, {})(inner)(one)  # type: ignore[arg-type]
        except BaseException as error:
            return error

    outcome = asyncio.run(go())
    assert isinstance(rows.rows[0], Admitted)
    return (rows.rows[1] if len(rows.rows) > 1 else None), one, outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (399, "ok"), (400, "refused"), (499, "refused"), (500, "upstream_error"), (529, "upstream_error")],
)
def test_a_whole_answer_is_settled_by_its_status(status: int, outcome: str) -> None:
    async def inner(one: Exchange) -> Answer:
        return Answer(status, b"{}")

    row, one, _ = settled_after(inner)
    assert (row.outcome, row.status) == (outcome, status) and one.settled is row
    assert outcome_of_status(status) == outcome == read_ending(one, Answer(status))[0]


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (Refused("r", status=400, type="t"), "refused", 400),
        (Refused("r", status=499, type="t"), "refused", 499),
        (Refused("r", status=500, type="t"), "upstream_error", 500),
        (Refused("r", status=502, type="t"), "upstream_error", 502),
        (Refused("r", status=504, type="t"), "timeout", 504),
        (Exhausted("full"), "refused", 503),
        (ZeroDivisionError(), "upstream_error", 500),
    ],
)
def test_every_failure_is_settled_and_goes_on(error: Exception, outcome: str, status: int) -> None:
    async def inner(one: Exchange) -> Answer:
        raise error

    row, _, raised = settled_after(inner)
    assert (row.outcome, row.status) == (outcome, status) and raised is error


@pytest.mark.parametrize(("closed", "outcome", "status"), [(True, "client_closed", 499), (False, "truncated", 503)])
def test_a_call_that_is_cancelled_is_settled(closed: bool, outcome: str, status: int) -> None:
    async def inner(one: Exchange) -> Answer:
        raise asyncio.CancelledError

    row, _, raised = settled_after(inner, closed)
    assert (row.outcome, row.status) == (outcome, status) and isinstance(raised, asyncio.CancelledError)


@pytest.mark.parametrize(
    ("stream", "notes", "outcome", "status"),
    [
        (Ended(), {}, "ok", 200),
        (Ended(), {"truncated": True}, "truncated", 200),
        (Ended(), {"failed": True, "truncated": True}, "upstream_error", 200),
        (Ended(broke=True), {}, "upstream_error", 200),
        (Ended(ended=False), {}, "client_closed", 499),
        (Ended(ended=False), {"cut_off": True}, "truncated", 200),
        (Ended(ended=False), {"failed": True}, "client_closed", 499),
    ],
)
def test_a_stream_is_settled_when_it_has_ended(
    stream: Ended, notes: dict[str, bool], outcome: str, status: int
) -> None:
    async def inner(one: Exchange) -> Answer:
        return Answer(200, stream=stream)

    row, one, _ = settled_after(inner)
    assert row is None and one.settled is None
    for name, value in notes.items():
        setattr(one, name, value)
    one.end()
    assert one.settled is not None and (one.settled.outcome, one.settled.status) == (outcome, status)
    assert stream_outcome(one, stream) == outcome


def test_nothing_is_settled_twice() -> None:
    async def inner(one: Exchange) -> Answer:
        one.settled = cast(Any, "before")
        return Answer(200)

    row, one, _ = settled_after(inner)
    assert row is None and one.settled == "before"


def test_what_was_reserved_is_admitted() -> None:
    one = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 7.0, 0.0, CALLER)
    one.request = Request(model="m", stream=True, prompt=msgspec.Raw(b'"12345678"'))  # 10 bytes: 3 tokens
    one.route, one.subject, one.conversation, one.prompt_version, one.route_version = "r", "s", "c", "v", 3
    one.reserved_output, one.reserved_usd = 9, 0.5
    row = build_admitted(one)
    assert row == Admitted(
        request_id="req_1", at=7.0, key_id="k", tenant="t", project="p", endpoint="/v1/chat/completions", route="r",
        streamed=True, team="team", reserved_usd=0.5, reserved_input_tokens=3, reserved_output_tokens=9, subject="s",
        conversation="c", prompt_version="v", route_version=3,
    )  # fmt: skip
    one.reserved_input = 8
    assert build_admitted(one).reserved_input_tokens == 8


def test_what_was_used_is_settled() -> None:
    one = exchange(TokenUsage(prompt_tokens=1_000, completion_tokens=500))
    one.model, one.ttft_s, one.upstream_id, one.guards, one.masked = "m", 0.25, "up_1", ["g=allow"], {"email": 1}
    entry = ModelEntry("m", cast(Any, None), "m", Prices(input=2.0, output=8.0))
    row = build_settled(one, "ok", 200, {"m": entry})
    assert (row.model, row.ttft_s, row.upstream_id, row.guards, row.masked) == (
        "m", 0.25, "up_1", ("g=allow",), {"email": 1},
    )  # fmt: skip
    assert row.usd == pytest.approx(0.002 + 0.004) and row.units == {} and len(row.attempts) == 1  # 2 and 8 a million
    assert row.duration_s > 0 and row.model_version is None


def test_the_duration_is_the_time_since_the_start() -> None:
    one = exchange(None)
    now, one.started = time.perf_counter(), -1_000.0
    assert build_settled(one, "ok", 200, {}).duration_s >= now + 1_000.0


def test_an_estimate_needs_a_call() -> None:
    one = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    assert not build_settled(one, "ok", 200, {}).estimated
    one.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    assert build_settled(one, "ok", 200, {}).estimated


@pytest.mark.parametrize(
    ("name", "kept"),
    [(None, None), ("a" * 200, "a" * 200), ("a" * 201, "a" * 200), ("a\0b", "ab"), ("a\ud800b", "ab")],
)
def test_an_upstreams_word_is_one_that_every_store_takes(name: str | None, kept: str | None) -> None:
    one = exchange(None)
    one.upstream_id = one.answered_by = name
    row = build_settled(one, "ok", 200, {})
    assert (row.upstream_id, row.model_version) == (kept, kept)


def test_only_the_operators_own_price_knows_a_discount_for_batches() -> None:
    counts = Counts(input=1_000_000)  # at 2 US dollars a million
    own = ModelEntry("m", cast(Any, None), "m", Prices(input=2.0, output=8.0, batch_factor=0.5))
    listed = ModelEntry("m", cast(Any, None), "m", Prices(input=2.0, output=8.0, batch_factor=0.5, source="a list"))
    assert [model_cost(own, counts, batch) for batch in (False, True)] == [2.0, 1.0]
    assert [model_cost(listed, counts, batch) for batch in (False, True)] == [2.0, 2.0]
    assert model_cost(None, counts) is None and model_cost(ModelEntry("m", cast(Any, None), "m"), counts) is None


def test_how_long_a_request_waited_for_its_place() -> None:
    one = exchange(None)
    assert build_settled(one, "ok", 200, {}).ready_s is None
    one.started, one.ready, one.queued_s = 100.0, 100.5, 0.25
    row = build_settled(one, "ok", 200, {})
    assert (row.ready_s, row.queued_s) == (0.5, 0.25)


@pytest.mark.parametrize(("used", "usd"), [((1_000, 0), 0.002), ((0, 500), 0.004), ((0, 0), None)])
def test_a_try_that_failed_costs_what_its_upstream_told(used: tuple[int, int], usd: float | None) -> None:
    """2 and 8 US dollars a million."""
    entry = ModelEntry("m", cast(Any, None), "m", Prices(input=2.0, output=8.0))
    attempt = Attempt("m", 502, "broke", 0.0, 0.1, input_tokens=used[0], output_tokens=used[1])
    assert price_attempt(attempt, {"m": entry}).usd == (usd if usd is None else pytest.approx(usd))
    assert price_attempt(attempt, {}).usd is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("0" * 128, "0" * 128), ("0" * 129, None), ("00-é-01", None), ("00-\t-01", None), ("", ""), (None, None)],
)
def test_a_traceparent_is_kept_if_it_may_be_one(sent: str | None, kept: str | None) -> None:
    one = exchange(None)
    one.headers = {} if sent is None else {"traceparent": sent}
    assert build_settled(one, "ok", 200, {}).traceparent == kept


def test_a_request_that_ended_before_it_was_read_has_no_times_of_its_own() -> None:
    one = exchange(None)
    assert build_settled(one, "ok", 200, {}).ready_s is None
    one.started, one.ready = 5.0, 7.5
    assert build_settled(one, "ok", 200, {}).ready_s == 2.5
