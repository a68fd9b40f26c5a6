"""What a request reserves and how a refusal is told. Counting is tested in tests/contract/test_limits.py."""

from __future__ import annotations

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Decision, LimitSpec, Scope
from steward.gateway.limit_table import LimitTable
from steward.gateway.limits import (
    cost_usd,
    counts_tokens,
    cut_off_error,
    format_duration,
    limit_headers,
    limit_refusal,
    list_scopes,
    max_price,
    merge_limits,
)
from steward.gateway.pricing.prices import Prices

KEY = Caller(principal=Principal(kind="key", id="k1", team="shop"), limits=LimitSpec(requests_per_minute=5))


def test_a_keys_own_limit_wins_over_the_default_kind_by_kind() -> None:
    default = LimitSpec(requests_per_minute=600, usd_per_day=2.0)
    assert merge_limits(KEY.limits, default) == LimitSpec(requests_per_minute=5, usd_per_day=2.0)


def test_scopes_are_those_with_limits() -> None:
    table = LimitTable(teams={"shop": LimitSpec(concurrent=2)}, models={"big": LimitSpec(), "small": LimitSpec()})
    assert [scope.name for scope in list_scopes(KEY, "big", table)] == ["key:k1", "team:shop"]
    assert list_scopes(Caller(principal=Principal(kind="key", id="k2")), "other", table) == ()


CHEAP = Prices(input=1.0, output=2.0)


def test_a_model_without_a_price_is_refused() -> None:
    assert max_price([("a", CHEAP), ("b", Prices(input=3.0, output=0.5))]) == (3.0, 2.0)
    with pytest.raises(Refused, match="'free' has no price") as caught:
        max_price([("a", CHEAP), ("free", None)])
    assert caught.value.code == "model_has_no_price"


def test_a_refusal_tells_of_the_limit_that_refused_only() -> None:
    def told(what: str, used: float) -> dict[str, str]:
        limits = {"limit_requests": 60, "limit_tokens": 1000}
        return dict(limit_headers(Decision(allowed=False, what=what, used=used, retry_after_s=30.0, **limits)))  # type: ignore[arg-type]

    assert told("tokens", 900) == {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "30s",
    }
    assert told("requests", 60)["x-ratelimit-remaining-requests"] == "0" and told("usd_per_day", 2.0) == {}


def test_refusals_say_what_when_and_whose() -> None:
    tokens = Decision(allowed=False, scope="team:shop", what="tokens", limit=100, used=80, retry_after_s=12.3456)
    error = limit_refusal(tokens, 30)
    assert (error.status, error.type, error.code) == (429, "tokens", "rate_limit_exceeded")
    assert "team 'shop'" in error.message and "100 tokens per minute" in error.message and "12.3 s" in error.message
    assert dict(error.headers)["retry-after-ms"] == "12346" and dict(error.headers)["retry-after"] == "13"
    too_large = limit_refusal(tokens, 300)
    assert "needs 300 tokens" in too_large.message and dict(too_large.headers)["x-should-retry"] == "false"
    money = limit_refusal(
        Decision(allowed=False, scope="key:k", what="usd_per_day", limit=2, used=1.5, retry_after_s=3600), 1
    )
    assert (money.type, money.code) == ("insufficient_quota", "insufficient_quota")
    assert dict(money.headers)["x-should-retry"] == "false" and "1h0m0s" in money.message
    assert dict(money.headers)["retry-after"] == "3600" and "retry-after" not in dict(too_large.headers)


def test_headers_are_openais() -> None:
    decision = Decision(
        allowed=True, limit_requests=60, remaining_requests=59, reset_requests_s=60.0, limit_tokens=1000,
        remaining_tokens=900, reset_tokens_s=0.25,
    )  # fmt: skip
    assert dict(limit_headers(decision)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "250ms",
    }
    assert limit_headers(Decision(allowed=True)) == []
    assert Scope("key:a", LimitSpec()).limits.any() is False


def test_a_price_is_for_a_million_tokens() -> None:
    assert cost_usd(1000, 500, (1.25, 4.0)) == 0.00325  # (1,250 + 2,000) / 1,000,000


@pytest.mark.parametrize(
    ("limits", "matters"),
    [
        (LimitSpec(tokens_per_minute=1), True),
        (LimitSpec(usd_per_day=1.0), True),
        (LimitSpec(usd_per_month=1.0), True),
        (LimitSpec(requests_per_minute=1, concurrent=1), False),
    ],
)
def test_tokens_matter_where_tokens_or_money_are_limited(limits: LimitSpec, matters: bool) -> None:
    assert counts_tokens([Scope("key:a", LimitSpec(concurrent=1)), Scope("team:b", limits)]) is matters


def test_a_team_without_limits_of_its_own_is_no_scope() -> None:
    table = LimitTable(teams={"other": LimitSpec(concurrent=2)})
    assert [scope.name for scope in list_scopes(KEY, "m", table)] == ["key:k1"]


def test_an_answer_without_a_maximum_may_have_4096_tokens() -> None:
    """docs/reference/configuration: `limits.max_output_tokens`."""
    assert LimitTable().max_output_tokens == 4096


def refusal(what: str, tokens: int = 1, retry_after_s: float = 0.0) -> Refused:
    decision = Decision(allowed=False, scope="key:k", what=what, limit=100, used=80, retry_after_s=retry_after_s)  # type: ignore[arg-type]
    return limit_refusal(decision, tokens)


def test_every_refusal_for_a_limit_is_a_429() -> None:
    """RFC 6585, section 4."""
    for error in (refusal("tokens", 300), refusal("requests"), refusal("usd_per_day"), cut_off_error("key k")):
        assert error.status == 429
    with pytest.raises(Refused) as caught:
        max_price([("free", None)])
    assert caught.value.status == 400


def test_the_type_says_whether_tokens_or_requests_ran_out() -> None:
    assert (refusal("tokens").type, refusal("requests").type, refusal("concurrent").type) == (
        "tokens", "requests", "requests"
    )  # fmt: skip
    assert "(requested 30, 80 in use)" in refusal("tokens", 30).message and "in use" not in refusal("requests").message


def test_a_request_of_exactly_the_limit_is_not_too_large() -> None:
    assert "Rate limit reached" in refusal("tokens", 100).message
    assert "Request too large" in refusal("tokens", 101).message


@pytest.mark.parametrize(
    ("wait_s", "milliseconds", "seconds"), [(0.0, "1", "1"), (0.5, "501", "1"), (1.0, "1001", "2"), (2.5, "2501", "3")]
)
def test_a_wait_is_over_when_it_says_so(wait_s: float, milliseconds: str, seconds: str) -> None:
    headers = dict(refusal("requests", retry_after_s=wait_s).headers)
    assert (headers["retry-after-ms"], headers["retry-after"]) == (milliseconds, seconds)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0ms"), (0.0121, "13ms"), (0.999, "999ms"), (1.0, "1s"), (1.5, "1.5s"), (59.5, "59.5s"), (60.0, "1m0s"),
     (3_599.0, "59m59s"), (3_600.0, "1h0m0s"), (90_061.0, "25h1m1s")],
)  # fmt: skip
def test_a_duration_is_spelt_as_openai_does(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


def test_a_rotated_key_is_counted_as_the_one_that_it_replaced() -> None:
    new = Caller(principal=Principal(kind="key", id="k2"), limits=LimitSpec(concurrent=1), counted_as="k1")
    assert [scope.name for scope in list_scopes(new, "big", LimitTable())] == ["key:k1"]
