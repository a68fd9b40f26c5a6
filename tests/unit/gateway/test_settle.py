from __future__ import annotations

from typing import Any, cast

import pytest

from steward.core.records import Attempt
from steward.gateway.exchange import Exchange
from steward.gateway.ledger import encode_frame
from steward.gateway.middleware.settle import build_settled
from steward.gateway.models import ModelEntry
from steward.gateway.wire_fields import TokenUsage


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
