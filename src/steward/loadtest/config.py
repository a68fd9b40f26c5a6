"""What a load test does: one frozen record that goes to every process of the run as JSON."""

from __future__ import annotations

import math
import random
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

import msgspec

from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, UnknownName
from steward.loadtest import objective

Endpoint = Literal["chat", "completions", "embeddings"]
ArrivalKind = Literal["constant", "poisson", "gamma", "ramp", "burst", "trace", "concurrency"]
OPEN_LOOPS: Final = ("constant", "poisson", "gamma", "ramp")
PATHS: Final = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}
_FORMS: Final = {"uniform": "MIN:MAX", "normal": "MEAN:SPREAD", "lognormal": "MEDIAN:SPREAD", "exponential": "MEAN"}


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """When requests are sent. An open loop sends by the clock, whatever the server does; `concurrency` is a closed loop
    of users who wait for their answer; `burst` sends all requests at once."""

    kind: ArrivalKind = "poisson"
    rate: float | None = None  # requests per second; of a ramp, the last rate
    start_rate: float = 0.0  # of a ramp, the first rate
    burstiness: float = 1.0  # shape of gamma gaps, as in vLLM: 1 is Poisson, below 1 has bursts
    concurrency: int | None = None


LengthKind = Literal["fixed", "uniform", "normal", "lognormal", "exponential"]


class Lengths(msgspec.Struct, frozen=True):
    """A distribution of token counts."""

    kind: LengthKind
    a: float  # value (fixed), mean (normal, exponential), median (lognormal), minimum (uniform)
    b: float = 0.0  # standard deviation (normal: tokens; lognormal: of the logarithm), maximum (uniform)


class LoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One run. It holds references to keys, never a key."""

    url: str
    model: str
    endpoint: Endpoint = "chat"
    stream: bool = True
    arrival: Arrival = Arrival()
    duration_s: float | None = None  # one of duration_s and requests ends the run, whichever comes first
    requests: int | None = None
    warmup_s: float = 0.0  # sent, and left out of the report
    drain_s: float = 30.0  # time for requests in flight after the last send
    timeout_s: float = 600.0
    stall_s: float = 120.0  # abort a response after this long without data
    max_in_flight: int = 20_000  # of all processes together
    max_error_share: float | None = None  # the run stops above it
    input_tokens: str = "512"
    output_tokens: str = "128"
    shared_prefix_tokens: int = 0
    prompts: str | None = None  # path of a file
    turns: int = 1
    think_s: float = 0.0
    trace: str | None = None
    speed: float = 1.0  # of a trace: 2 sends it twice as fast
    key: str | None = None  # env:NAME or file:PATH
    headers: tuple[tuple[str, str], ...] = ()
    body: dict[str, Any] = {}
    ca_file: str | None = None
    insecure: bool = False
    seed: int = 0
    processes: int = 1
    tokenizer: str | None = None  # path of a tokenizer.json
    late_budget_ms: float = 10.0
    slo: str | None = None


def check_config(config: LoadConfig) -> LoadConfig:
    """The same record. :raises InputError: what cannot be run, and what was expected"""
    request_url(config.url, config.endpoint)
    _check_arrival(config)
    if config.duration_s is None and config.requests is None and config.arrival.kind != "trace":
        raise InputError("no end: give --duration (such as 60s) or --requests N")
    if config.processes < 1 or (config.arrival.concurrency or config.processes) < config.processes:
        raise InputError(f"processes {config.processes}: expected 1 or more, and no more than --concurrency")
    if config.turns < 1 or (config.turns > 1 and config.endpoint != "chat"):
        raise InputError(f"turns {config.turns} with {config.endpoint}: conversations need the chat endpoint")
    _check_number("speed", config.speed, "1 replays a trace at its own speed")
    _check_number("late budget", config.late_budget_ms, "milliseconds, such as 10")
    for text in (config.input_tokens, config.output_tokens):
        parse_lengths(text)
    if config.slo is not None:
        objective.parse_objective(config.slo)
    return config


def _check_arrival(config: LoadConfig) -> None:
    arrival = config.arrival
    if arrival.kind == "concurrency" and not (arrival.concurrency and arrival.concurrency > 0):
        raise InputError(f"concurrency {arrival.concurrency}: expected 1 or more; give --concurrency N or --rate R")
    if arrival.kind == "burst" and config.requests is None:
        raise InputError("--rate inf sends all requests at once: give their number with --requests N")
    if arrival.kind not in ("concurrency", "trace", "burst") and arrival.rate is None:
        raise InputError("no rate: give --rate R (requests per second), or --concurrency N for users who wait")
    if arrival.rate is not None:
        _check_number("rate", arrival.rate, "requests per second; give --rate R, or --rate inf for all at once")
    _check_number("burstiness", arrival.burstiness, "1 is Poisson, 0.25 has bursts")
    if not 0 <= arrival.start_rate < math.inf:
        raise InputError(f"start rate {arrival.start_rate:g}: expected 0 or more requests per second")
    if arrival.kind == "ramp" and config.duration_s is None:
        raise InputError("arrival ramp without an end: give --duration, over which the rate rises")


def _check_number(name: str, value: float, meaning: str) -> None:
    if not 0 < value < math.inf:  # NaN is neither
        raise InputError(f"{name} {value:g}: expected a finite number above 0 ({meaning})")


def make_arrival(kind: str, rate: float | None, **options: Any) -> Arrival:
    """The arrivals of `--arrival` and `--rate`; an infinite rate is a burst. :raises InputError: an unknown kind

    >>> make_arrival("poisson", math.inf).kind
    'burst'
    """
    if kind not in OPEN_LOOPS:
        raise UnknownName("arrival", kind, OPEN_LOOPS)
    if rate == math.inf:
        if kind == "ramp":
            raise InputError("rate inf with arrival ramp: expected a finite rate to rise to")
        return Arrival(kind="burst")
    return Arrival(kind=cast("ArrivalKind", kind), rate=rate, **options)


def request_url(url: str, endpoint: Endpoint) -> str:
    """Where requests go: `url` if it ends in the path of the endpoint; else that path is added to it, or, if `url` has
    no path, `/v1` and that path.

    >>> request_url("http://127.0.0.1:8080", "chat")
    'http://127.0.0.1:8080/v1/chat/completions'
    >>> request_url("https://api.example.com/paas/v4", "chat")
    'https://api.example.com/paas/v4/chat/completions'
    """
    parts = urlsplit(refuse_credentials(url, "give the key by reference: --key env:NAME"))
    try:
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # the port is not a number
        known = False
    if not known:
        raise InputError(f"URL {url!r}: expected http://HOST:PORT or https://…, such as http://127.0.0.1:8080/v1")
    base = url.rstrip("/")
    if parts.path.rstrip("/").endswith(PATHS[endpoint]):
        return base
    return base + ("" if parts.path.rstrip("/") else "/v1") + PATHS[endpoint]


def parse_lengths(text: str) -> Lengths:
    """Parse `512`, `uniform:100:900`, `normal:512:128`, `lognormal:512:0.8` or `exponential:512`.

    >>> parse_lengths("normal:512:128")
    Lengths(kind='normal', a=512.0, b=128.0)
    """
    name, *numbers = text.split(":")
    try:
        if not numbers:
            return _check_lengths(Lengths("fixed", float(name)), text)
        values = [float(number) for number in numbers]
    except ValueError:
        raise InputError(f"length {text!r}: expected numbers, such as 512 or normal:512:128") from None
    if name not in _FORMS:
        raise UnknownName("distribution of lengths", name, _FORMS)
    if len(values) != _FORMS[name].count(":") + 1 or (name == "uniform" and values[0] > values[-1]):
        raise InputError(f"length {text!r}: expected {name}:{_FORMS[name]}")
    return _check_lengths(Lengths(cast("LengthKind", name), *values), text)


def _check_lengths(lengths: Lengths, text: str) -> Lengths:
    if not (1 <= lengths.a < 1e8 and 0 <= lengths.b < 1e8):
        raise InputError(f"length {text!r}: expected at least 1 token, and a spread of at least 0")
    return lengths


def draw_length(wanted: Lengths, random: random.Random) -> int:
    """Draw one token count, at least 1."""
    if wanted.kind == "fixed":
        return round(wanted.a)
    if wanted.kind == "uniform":
        return random.randint(round(wanted.a), round(wanted.b))
    if wanted.kind == "normal":
        return max(1, round(random.normalvariate(wanted.a, wanted.b)))
    if wanted.kind == "lognormal":
        return max(1, round(wanted.a * random.lognormvariate(0.0, wanted.b)))
    return max(1, round(random.expovariate(1 / wanted.a)))
