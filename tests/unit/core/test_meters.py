"""What one settled exchange adds; the expected numbers are worked out by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from steward.core.meters import BUCKETS, classify_status, count_exchanges
from steward.core.records import Attempt

ATTEMPTS = (Attempt("gone", None, "no connection", 99.0, 0.5), Attempt("m", 200, None, 100.0, 0.2))


def row(**changes: Any) -> dict[str, Any]:
    return {
        "tenant": "default", "endpoint": "/v1/chat/completions", "route": "r", "model": "m", "key_id": "k",
        "outcome": "ok", "status": 200, "usd": 0.25, "duration_s": 2.1, "ttft_s": 0.1, "streamed": True,
        "input_tokens": 7, "output_tokens": 5,
        "settled_at": 102.0, "attempts": msgspec.msgpack.encode(ATTEMPTS), **changes,
    }  # fmt: skip


def parts(meter: str, *rows: dict[str, Any]) -> dict[str, float]:
    return {part: value for (name, _, part), value in count_exchanges(rows).items() if name == meter}


def test_a_histogram_counts_a_value_in_the_bucket_whose_bound_it_does_not_pass() -> None:
    assert parts("server_duration", row(duration_s=2.56)) == {"2.56": 1, "sum": 2.56}
    assert parts("server_duration", row(duration_s=2.561)) == {"5.12": 1, "sum": 2.561}
    assert parts("server_duration", row(duration_s=1000.0)) == {"inf": 1, "sum": 1000.0}


def test_time_per_token_leaves_the_first_out() -> None:
    assert parts("time_per_output_token", row()) == {"0.5": 1, "sum": 0.5}  # (2.1 s - 0.1 s) / 4
    assert parts("time_per_output_token", row(output_tokens=1), row(outcome="client_closed")) == {}


def test_every_try_counts_and_the_last_of_a_stream_lasts_to_its_end() -> None:
    found = {dict(labels)["target"]: value for (name, labels, part), value in count_exchanges([row()]).items()
             if name == "client_duration" and part == "sum"}  # fmt: skip
    assert found == {"gone": 0.5, "m": 2.0}
    assert {dict(labels)["error"] for name, labels, _ in count_exchanges([row()]) if name == "client_duration"} == {
        "", "no_answer"
    }  # fmt: skip


def test_shadows_and_clients_are_apart() -> None:
    counts = count_exchanges([row(), row(key_id="shadow")])
    found = {dict(labels)["traffic"]: value for (name, labels, _), value in counts.items() if name == "requests"}
    assert found == {"client": 1, "shadow": 1}


def test_the_buckets_are_those_of_the_convention_and_wider() -> None:
    """semantic-conventions v1.41.1, gen-ai-metrics.md: the lists of explicit bucket boundaries."""
    assert BUCKETS["server_duration"][:14] == (
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
    )  # fmt: skip
    assert BUCKETS["tokens"] == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
    )  # fmt: skip
    assert BUCKETS["time_to_first_token"] == (
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
        20.0, 40.0, 80.0, 160.0, 320.0, 640.0,
    )  # fmt: skip
    assert BUCKETS["time_per_output_token"] == (
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5
    )  # fmt: skip


def labels_of(meter: str, *rows: dict[str, Any]) -> list[dict[str, str]]:
    return [dict(labels) for name, labels, _ in count_exchanges(rows) if name == meter]


def test_money_is_summed_and_left_out_where_there_is_none() -> None:
    assert parts("usd", row(), row(usd=0.5), row(usd=None)) == {"": 0.75}
    assert parts("usd", row(usd=None)) == {}


def test_only_streams_have_a_first_token() -> None:
    assert parts("time_to_first_token", row()) == {"0.1": 1, "sum": 0.1}
    assert parts("time_to_first_token", row(streamed=False)) == parts("time_to_first_token", row(ttft_s=None)) == {}


def test_two_output_tokens_are_enough_for_a_time_per_token() -> None:
    assert parts("time_per_output_token", row(output_tokens=2)) == {"2.5": 1, "sum": 2.0}
    assert parts("time_per_output_token", row(ttft_s=3.0)) == {"0.01": 1, "sum": 0.0}  # never negative


def test_labels_name_model_and_error() -> None:
    assert labels_of("requests", row())[0]["model"] == "m" and labels_of("requests", row(model=None))[0]["model"] == ""
    assert labels_of("server_duration", row())[0]["error"] == ""
    assert labels_of("server_duration", row(outcome="timeout"))[0]["error"] == "timeout"


def test_statuses_are_told_by_their_class() -> None:
    assert [classify_status(status) for status in (99, 100, 200, 599, 600)] == ["other", "1xx", "2xx", "5xx", "other"]


def test_calls_upstream_are_told_by_what_went_wrong() -> None:
    def error(*attempt: Any) -> str:
        return labels_of("client_duration", row(attempts=msgspec.msgpack.encode((Attempt(*attempt),))))[0]["error"]

    assert error("m", 399, None, 0.0, 0.1) == "" and error("m", 400, None, 0.0, 0.1) == "4xx"
    assert (
        error("m", 200, "cut off", 0.0, 0.1) == "broken_stream" and error("m", None, "refused", 0.0, 0.1) == "no_answer"
    )


def test_shadows_are_told_by_their_key_and_tenants_by_their_name() -> None:
    def labels(**changes: Any) -> dict[str, str]:
        return next(dict(labels) for name, labels, _ in count_exchanges([row(**changes)]) if name == "requests")

    assert labels()["traffic"] == "client" and labels(key_id="shadow")["traffic"] == "shadow"
    assert "tenant" not in labels(tenant="default") and labels(tenant="acme")["tenant"] == "acme"


def test_masked_values_add_up_by_kind() -> None:
    rows = [row(masked='{"email":2,"phone":1}'), row(masked='{"email":3}'), row(masked=None), row()]
    found = {
        dict(labels)["kind"]: value for (name, labels, _), value in count_exchanges(rows).items() if name == "masked"
    }
    assert found == {"email": 5, "phone": 1}
