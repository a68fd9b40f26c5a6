import random
import statistics

import pytest

from steward.core.errors import InputError
from steward.loadtest.config import (
    Arrival,
    LoadConfig,
    check_config,
    draw_length,
    make_arrival,
    parse_lengths,
    request_url,
)


def config(**given):
    return LoadConfig(**({"url": "http://h:1", "model": "m", "duration_s": 1.0, "arrival": Arrival(rate=1)} | given))


@pytest.mark.parametrize(
    "given, said",
    [
        ({"url": "ftp://h"}, "expected http://HOST"),
        ({"url": "http://h:port"}, "expected http://HOST"),
        ({"arrival": Arrival(rate=0)}, "rate 0: expected a finite number above 0"),
        ({"arrival": Arrival(rate=float("nan"))}, "rate nan: expected a finite number"),
        ({"arrival": Arrival(rate=1, burstiness=float("inf"))}, "burstiness inf: expected a finite number"),
        ({"arrival": Arrival(kind="ramp", rate=1, start_rate=-1.0)}, "start rate -1: expected 0 or more"),
        ({"speed": float("nan")}, "speed nan: expected a finite number"),
        ({"late_budget_ms": 0.0}, "late budget 0: expected a finite number"),
        ({"arrival": Arrival(kind="burst")}, "give their number with --requests"),
        ({"arrival": Arrival()}, "no rate: give --rate"),
        ({"slo": "speed_p95<3"}, "ttft_p95<500ms"),
        ({"slo": "ttft_mean<3ms"}, "a mean hides"),
        ({"slo": "ttft_p100<3ms"}, "above 0 and below 100"),
        ({"arrival": Arrival(kind="concurrency")}, "expected 1 or more"),
        ({"arrival": Arrival(kind="ramp", rate=5), "duration_s": None}, "without an end"),
        ({"duration_s": None}, "no end"),
        ({"turns": 2, "endpoint": "completions"}, "need the chat endpoint"),
        ({"input_tokens": "normal:1"}, "MEAN:SPREAD"),
        ({"output_tokens": "0"}, "at least 1 token"),
        ({"input_tokens": "gauss:1:2"}, "unknown distribution"),
        ({"arrival": Arrival(kind="concurrency", concurrency=2), "processes": 4}, "no more than --concurrency"),
    ],
)
def test_what_cannot_be_run_says_what_was_expected(given, said):
    with pytest.raises(InputError, match=said):
        check_config(config(**given))


def test_addresses():
    assert request_url("http://h:1/v1/", "embeddings") == "http://h:1/v1/embeddings"
    assert request_url("https://h/v1/chat/completions", "chat") == "https://h/v1/chat/completions"


@pytest.mark.parametrize("text, fine", [("99999999", True), ("100000000", False), ("1", True), ("0.9", False)])
def test_bounds_of_lengths(text, fine):
    if fine:
        assert parse_lengths(text).a == float(text)
    else:
        with pytest.raises(InputError, match="expected at least 1 token"):
            parse_lengths(text)


def test_distributions_reach_both_sides():
    class Chance:
        """Stands for random.Random at given places of a distribution."""

        def __init__(self, value):
            self.value = value

        def lognormvariate(self, mean, deviation):
            assert mean == 0.0
            return self.value

        def normalvariate(self, mean, deviation):
            return self.value

        def expovariate(self, rate):
            return self.value / rate

    for value, text, tokens in (
        (2.0, "lognormal:200:0.8", 400), (0.001, "lognormal:200:0.8", 1), (-5.0, "normal:5:9", 1),
        (7.0, "normal:5:9", 7), (3.0, "exponential:10", 30), (0.01, "exponential:10", 1),
    ):  # fmt: skip
        assert draw_length(parse_lengths(text), Chance(value)) == tokens
    assert parse_lengths("uniform:5:5").a == 5


def test_ports():
    assert request_url("http://h:1", "chat") == "http://h:1/v1/chat/completions"
    with pytest.raises(InputError, match="expected http://HOST"):
        request_url("http://h:-1", "chat")


def test_l2_an_infinite_rate_is_all_at_once():
    assert make_arrival("poisson", float("inf")) == Arrival(kind="burst")
    assert make_arrival("gamma", 2.0, burstiness=0.5) == Arrival(kind="gamma", rate=2.0, burstiness=0.5)
    with pytest.raises(InputError, match="expected a finite rate to rise to"):
        make_arrival("ramp", float("inf"))
    with pytest.raises(InputError, match="unknown arrival 'poison'; did you mean 'poisson'"):
        make_arrival("poison", 1.0)


@pytest.mark.parametrize("text, mean", [("uniform:100:300", 200), ("normal:200:20", 200), ("exponential:200", 200)])
def test_lengths_have_the_mean_that_they_name(text, mean):
    chance = random.Random(1)
    assert statistics.mean(draw_length(parse_lengths(text), chance) for _ in range(4000)) == pytest.approx(
        mean, rel=0.05
    )


def test_a_lognormal_has_the_median_that_it_names():
    chance = random.Random(1)
    assert statistics.median(
        draw_length(parse_lengths("lognormal:200:0.8"), chance) for _ in range(4000)
    ) == pytest.approx(200, rel=0.06)


def test_the_defaults_are_those_of_the_commands():
    """`steward load run --help`: 600s, 120s, 30s, one process, 10 ms, Poisson."""
    found = LoadConfig(url="http://h", model="m")
    assert (found.timeout_s, found.stall_s, found.drain_s, found.processes, found.late_budget_ms) == (
        600,
        120,
        30,
        1,
        10,
    )
    assert (found.turns, found.speed, found.max_in_flight, found.arrival) == (1, 1.0, 20_000, Arrival(burstiness=1.0))
    assert found.input_tokens == "512" and found.output_tokens == "128" and found.warmup_s == 0


def test_what_can_be_run_comes_back_as_it_is():
    for fine in (
        config(requests=5, duration_s=None), config(arrival=Arrival(kind="trace"), duration_s=None),
        config(processes=3), config(arrival=Arrival(kind="concurrency", concurrency=3), processes=3), config(turns=2),
        config(arrival=Arrival(kind="ramp", rate=1.0)), config(arrival=Arrival(kind="burst"), requests=3),
        config(endpoint="embeddings"),
    ):  # fmt: skip
        assert check_config(fine) is fine
    for wrong in ({"processes": 0}, {"turns": 0}):
        with pytest.raises(InputError):
            check_config(config(**wrong))
