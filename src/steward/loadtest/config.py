"""What a load test is asked to do: one frozen record that goes to every process of the run as JSON."""

from __future__ import annotations

import random
import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.loadtest import objective

Endpoint = Literal["chat", "completions", "embeddings"]
ArrivalKind = Literal["constant", "poisson", "gamma", "ramp", "trace", "concurrency"]
PATHS: Final = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}
_LENGTHS: Final = {"uniform": 2, "normal": 2, "lognormal": 2, "exponential": 1}


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """When requests are sent. Open loop: by the clock, whatever the server does; `concurrency` is the closed loop."""

    kind: ArrivalKind = "poisson"
    rate: float | None = None  # requests a second; a ramp's last rate
    start_rate: float = 0.0  # a ramp's first rate
    burstiness: float = 1.0  # shape of the gamma gaps, as vLLM's: 1 is Poisson, below 1 comes in bursts
    concurrency: int | None = None


class Lengths(msgspec.Struct, frozen=True):
    """A distribution of token counts."""

    kind: Literal["fixed", "uniform", "normal", "lognormal", "exponential"]
    a: float  # fixed, mean (normal, exponential), median (lognormal), least (uniform)
    b: float = 0.0  # standard deviation (normal: in tokens; lognormal: of the logarithm), most (uniform)


class LoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Only references to keys are in here, never a key."""

    url: str
    model: str
    endpoint: Endpoint = "chat"
    stream: bool = True
    arrival: Arrival = Arrival()
    duration_s: float | None = None  # one of duration_s and requests ends the run, whichever comes first
    requests: int | None = None
    warmup_s: float = 0.0  # sent and left out
    drain_s: float = 30.0  # for what is under way after the last send
    timeout_s: float = 600.0
    stall_s: float = 120.0  # without a byte
    max_in_flight: int = 20_000  # of all processes together
    max_error_share: float | None = None  # stops a run that fails
    input_tokens: str = "512"
    output_tokens: str = "128"
    shared_prefix_tokens: int = 0
    prompts: str | None = None  # path of a file
    turns: int = 1
    think_s: float = 0.0
    trace: str | None = None
    speed: float = 1.0  # of a trace: 2 sends twice as fast
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
    """The same record. :raises InputError: what cannot be run, with what was expected"""
    request_url(config.url, config.endpoint)
    arrival = config.arrival
    if arrival.kind == "concurrency" and not (arrival.concurrency and arrival.concurrency > 0):
        raise InputError(f"concurrency {arrival.concurrency}: expected 1 or more; give --concurrency N or --rate R")
    if arrival.kind not in ("concurrency", "trace") and arrival.rate is None:
        raise InputError("no rate: give --rate R (requests a second), or --concurrency N for users who wait")
    if arrival.rate is not None and not arrival.rate > 0:
        raise InputError(f"rate {arrival.rate}: expected more than 0 requests a second; give --rate R")
    if arrival.burstiness <= 0:
        raise InputError(f"burstiness {arrival.burstiness}: expected more than 0; 1 is Poisson, 0.25 comes in bursts")
    if arrival.kind == "ramp" and config.duration_s is None:
        raise InputError("arrival ramp without an end: give --duration, over which the rate rises")
    if config.duration_s is None and config.requests is None and arrival.kind != "trace":
        raise InputError("no end: give --duration (such as 60s) or --requests N")
    if config.processes < 1 or (arrival.concurrency or config.processes) < config.processes:
        raise InputError(f"processes {config.processes}: expected 1 or more, and no more than --concurrency")
    if config.turns < 1 or (config.turns > 1 and config.endpoint != "chat"):
        raise InputError(f"turns {config.turns} with {config.endpoint}: conversations need the chat endpoint")
    if config.speed <= 0:
        raise InputError(f"speed {config.speed}: expected more than 0; 1 replays a trace as it was")
    for text in (config.input_tokens, config.output_tokens):
        parse_lengths(text)
    if config.slo is not None:
        objective.parse_objective(config.slo)
    return config


def request_url(url: str, endpoint: Endpoint) -> str:
    """Where requests go: the URL as given where it names the endpoint, else with `/v1` and the endpoint's path.

    >>> request_url("http://127.0.0.1:8080", "chat")
    'http://127.0.0.1:8080/v1/chat/completions'
    """
    parts = urlsplit(url)
    try:
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        known = False
    if not known:
        raise InputError(f"URL {url!r}: expected http://HOST:PORT or https://…, such as http://127.0.0.1:8080/v1")
    base = url.rstrip("/")
    if parts.path.rstrip("/").endswith(PATHS[endpoint]):
        return base
    return base + ("" if parts.path.rstrip("/").endswith("/v1") else "/v1") + PATHS[endpoint]


def parse_lengths(text: str) -> Lengths:
    """Of `512`, `uniform:100:900`, `normal:512:128`, `lognormal:512:0.8` or `exponential:512`.

    >>> parse_lengths("normal:512:128")
    Lengths(kind='normal', a=512.0, b=128.0)
    """
    name, *numbers = text.split(":")
    try:
        if not numbers:
            return _positive(Lengths("fixed", float(name)), text)
        values = [float(number) for number in numbers]
    except ValueError:
        raise InputError(f"length {text!r}: expected numbers, such as 512 or normal:512:128") from None
    if name not in _LENGTHS:
        raise UnknownName("distribution of lengths", name, _LENGTHS)
    if len(values) != _LENGTHS[name] or (name == "uniform" and values[0] > values[-1]):
        raise InputError(f"length {text!r}: expected {name}:{'LEAST:MOST' if name == 'uniform' else 'MEAN:SPREAD'}")
    return _positive(Lengths(name, *values), text)  # type: ignore[arg-type]


def _positive(found: Lengths, text: str) -> Lengths:
    if not (1 <= found.a < 1e8 and 0 <= found.b < 1e8):
        raise InputError(f"length {text!r}: expected 1 token or more, and no negative spread")
    return found


def draw_length(wanted: Lengths, random: random.Random) -> int:
    """One token count, 1 or more."""
    if wanted.kind == "fixed":
        return round(wanted.a)
    if wanted.kind == "uniform":
        return random.randint(round(wanted.a), round(wanted.b))
    if wanted.kind == "normal":
        return max(1, round(random.normalvariate(wanted.a, wanted.b)))
    if wanted.kind == "lognormal":
        return max(1, round(wanted.a * random.lognormvariate(0.0, wanted.b)))
    return max(1, round(random.expovariate(1 / wanted.a)))


def parse_seconds(text: str) -> float:
    """A duration: `500ms`, `60s`, `5m`, `1h` or plain seconds.

    >>> parse_seconds("1.5m")
    90.0
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|m|h)?\s*", text)
    if found is None:
        raise InputError(f"duration {text!r}: expected a number with ms, s, m or h, such as 60s")
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}[found[2]]
