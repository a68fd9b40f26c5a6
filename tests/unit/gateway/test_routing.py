import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Refused
from steward.gateway.route_records import ErrorFallbacks, Failure, ModelStanding, Retry, Route, Target
from steward.gateway.routing import (
    RETRYABLE,
    build_routes,
    choose_retry,
    client_deadline_s,
    find_route,
    list_allowed,
    order_models,
    parse_retry_after,
    pick_by_weight,
    rank_by_rendezvous,
)

AB = (Target("a", 3), Target("b", 1))
DRAWS = [draw / 1000 for draw in range(1000)]
KEYS = [f"{number:032x}" for number in range(4000)]


def test_weights_and_fallback() -> None:
    route = Route("r", AB, ("c", "a"))
    firsts = [order_models(route, draw)[0] for draw in DRAWS]
    assert firsts.count("a") == 750
    assert order_models(route, 0.0) == ("a", "b", "c") and order_models(route, 0.9) == ("b", "a", "c")


def test_models_that_are_out_come_last() -> None:
    route = Route("r", AB, ("c",))
    assert {order_models(route, draw, {"a": ModelStanding(out=True)}) for draw in DRAWS} == {("b", "c", "a")}
    assert order_models(route, 0.0, {name: ModelStanding(out=True) for name in "abc"}) == ("a", "b", "c")


def test_least_loaded_weighs_what_is_in_flight() -> None:
    route = Route("r", AB, choice="least_loaded")
    assert order_models(route, 0.5, {"a": ModelStanding(4), "b": ModelStanding(1)})[0] == "a"  # 5/3 < 2/1
    assert order_models(route, 0.5, {"a": ModelStanding(6), "b": ModelStanding(1)})[0] == "b"  # 7/3 > 2/1
    equal = Route("r", (Target("a"), Target("b")), choice="least_loaded")
    assert [order_models(equal, draw)[0] for draw in (0.0, 0.5)] == ["a", "b"]


def test_lowest_latency_compares_two_at_random() -> None:
    route = Route("r", (Target("a"), Target("b"), Target("c")), choice="lowest_latency")
    known = {"a": ModelStanding(0, 0.1), "b": ModelStanding(0, 0.2), "c": ModelStanding(0, 0.3)}
    firsts = [order_models(route, draw, known)[0] for draw in DRAWS]
    assert [round(firsts.count(name) / 1000, 2) for name in "abc"] == [0.67, 0.33, 0.0]  # the worst of three never wins
    busy = {**known, "a": ModelStanding(9, 0.1)}  # 0.1 s with 9 in flight costs 1.0
    assert "a" not in [order_models(route, draw, busy)[0] for draw in DRAWS]
    assert "c" in [order_models(route, draw, {"a": known["a"], "b": known["b"]})[0] for draw in DRAWS]  # unknown: tried


def test_sticky_moves_only_what_must() -> None:
    three = [Target("a"), Target("b"), Target("c")]
    before = {key: rank_by_rendezvous(key, three)[0] for key in KEYS}
    after = {key: rank_by_rendezvous(key, three[:2])[0] for key in KEYS}
    assert all(after[key] == before[key] for key in KEYS if before[key] != "c")
    # binomial with p = 1/3: 4 standard deviations of 4,000 draws are 119
    assert all(abs(list(before.values()).count(name) - 4000 / 3) < 119 for name in "abc")


def test_sticky_keeps_to_the_weights_and_a_canary_takes_from_the_other_only() -> None:
    small, more = ([Target("a", 95), Target("b", 5)], [Target("a", 90), Target("b", 10)])
    first = {key: rank_by_rendezvous(key, small)[0] for key in KEYS}
    later = {key: rank_by_rendezvous(key, more)[0] for key in KEYS}
    assert abs(list(first.values()).count("b") - 200) < 56  # 4 standard deviations of a binomial with p = 0.05
    assert all(later[key] == "b" for key in KEYS if first[key] == "b")


@given(st.text(min_size=1), st.permutations("abcd"), st.floats(0, 0.999))
def test_sticky_ignores_the_draw_and_the_order_of_the_file(key: str, names: list[str], draw: float) -> None:
    route = Route("r", tuple(Target(name) for name in names), sticky="subject")
    assert order_models(route, draw, {}, key) == tuple(rank_by_rendezvous(key, [Target(name) for name in "abcd"]))


def test_sticky_goes_on_to_its_second_target_while_the_first_is_out() -> None:
    route = Route("r", AB, sticky="subject")
    first, second = order_models(route, 0.0, {}, "k")
    assert order_models(route, 0.0, {first: ModelStanding(out=True)}, "k") == (second, first)


def test_retry_waits_full_jitter_and_what_the_upstream_asked_for() -> None:
    failures = {"a": Failure(503)}
    waits = [choose_retry(["a"], failures, number, 0.5, 100) for number in range(7)]
    assert waits == [Retry("a", wait) for wait in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0)]  # half of 0.25 · 2^n, to 8 s
    assert choose_retry(["a"], {"a": Failure(429, 2.0)}, 0, 0.0, 100) == Retry("a", 2.0)
    assert choose_retry(["a", "b"], {"a": Failure(429, 2.0), "b": Failure(500)}, 0, 0.0, 100) == Retry("b", 0.0)


def test_retry_knows_when_waiting_is_no_use() -> None:
    assert choose_retry(["a"], {"a": Failure(429, 30.0)}, 0, 0.0, 100) is None
    assert choose_retry(["a"], {"a": Failure(429, 2.0)}, 0, 0.0, 1.5) is None
    assert choose_retry(["a"], {"a": Failure(429, 2.0)}, 0, 0.0, 2.0) is None  # it would end when the client has gone
    assert choose_retry(["a"], {"a": Failure(429, 2.0)}, 0, 0.0, 2.01) == Retry("a", 2.0)
    assert choose_retry(["a"], {"a": Failure(504, timed_out=True)}, 0, 0.0, 100) is None
    assert choose_retry(["a"], {}, 0, 0.0, 100) is None


def test_retry_after_in_all_its_spellings() -> None:
    assert parse_retry_after({"retry-after-ms": "250"}, 0) == 0.25
    assert parse_retry_after({"retry-after": "1.5"}, 0) == 1.5
    date = "Wed, 21 Oct 2015 07:28:00 GMT"  # RFC 9110, section 10.2.3; 1445412480 by `date -d`
    assert parse_retry_after({"retry-after": date}, 1445412470.0) == 10.0
    assert [parse_retry_after({"retry-after": text}, 0) for text in ("", "soon", "nan", "inf")] == [None] * 4


def test_patience_is_the_shorter_of_both() -> None:
    assert client_deadline_s({"x-stainless-read-timeout": "20"}, 600) == 20
    assert client_deadline_s({"x-stainless-read-timeout": "900"}, 600) == 600
    assert [client_deadline_s({"x-stainless-read-timeout": text}, 600) for text in ("", "x", "-1", "0", "nan")] == [
        600
    ] * 5


def test_unknown_models_list_what_exists() -> None:
    with pytest.raises(Refused, match="Available: m, r"):
        find_route(build_routes([Route("r", (Target("m"),))], ["m"]), "x")


def test_what_openais_sdks_retry_is_retried() -> None:
    """openai-python, `_should_retry`: 408, 409, 429 and from 500 on; of those the ones that may pass."""
    assert [status for status in range(100, 600) if status in RETRYABLE] == [408, 409, 429, 500, 502, 503, 504, 529]


def test_an_upstream_that_asks_for_more_than_ten_seconds_is_not_waited_for() -> None:
    assert choose_retry(["a"], {"a": Failure(429, 10.0)}, 0, 0.0, 100) == Retry("a", 10.0)
    assert choose_retry(["a"], {"a": Failure(429, 10.1)}, 0, 0.0, 100) is None


def test_a_target_without_a_weight_weighs_one() -> None:
    route = Route("r", (Target("a"), Target("b", 3.0)))
    assert [order_models(route, draw)[0] for draw in DRAWS].count("a") == 250
    assert route.retries == 1  # docs/reference/configuration


def test_a_draw_that_rounding_has_lifted_to_the_end_takes_the_last() -> None:
    assert pick_by_weight((Target("a", 1), Target("b", 1), Target("c", 1)), 1.0) == "c"
    assert pick_by_weight(AB, 0.75) == "b" and pick_by_weight(AB, 0.7499) == "a"


def test_latency_counts_the_newcomer_itself() -> None:
    route = Route("r", (Target("a"), Target("b")), choice="lowest_latency")
    known = {"a": ModelStanding(3, 0.1), "b": ModelStanding(0, 0.3)}  # .1 * 4 against .3 * 1
    assert {order_models(route, draw, known)[0] for draw in DRAWS} == {"b"}


def test_sticky_keeps_to_the_weights_of_many_targets() -> None:
    """Schindelhauer and Schomaker: 6 of 10; 4 standard deviations of 4,000 draws are 124."""
    targets = [Target("a", 6), *(Target(name, 1) for name in "bcde")]
    assert abs([rank_by_rendezvous(key, targets)[0] for key in KEYS].count("a") - 2400) < 124


def test_models_that_are_named_for_an_error_are_reachable() -> None:
    fallbacks = ErrorFallbacks(context=("long",), quota=("other", "long"))
    assert fallbacks.names() == ("long", "other", "long") and ErrorFallbacks().names() == ()
    assert Route("r", (Target("a"),), ("b",), error_fallbacks=fallbacks).reachable() == ("a", "b", "long", "other")


def test_a_model_that_a_client_may_not_use_is_as_if_it_were_not_there() -> None:
    routes = build_routes([], ["a", "b"])
    assert find_route(routes, "a", frozenset({"a"})).name == "a"
    texts = []
    for name in ("b", "x"):
        with pytest.raises(Refused) as caught:
            find_route(routes, name, frozenset({"a", "x"}))
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
        texts.append(caught.value.message.replace(f"'{name}'", "X"))
    assert texts[0] == texts[1] == "The model X does not exist, or this key may not use it. Available: a."
    assert list_allowed(routes, None) == ["a", "b"] and list_allowed(routes, frozenset({"b", "c"})) == ["b"]
    with pytest.raises(Refused, match="Available: none"):
        find_route(routes, "a", frozenset())
