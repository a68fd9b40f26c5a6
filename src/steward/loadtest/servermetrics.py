"""The server's own numbers beside the client's: reads Prometheus's text format, keeps what is known, ignores the rest.

Names differ by engine and version, so each track lists all that it goes by; a page without any of them, or one that
is no metrics page, gives no track and no error.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.core.load_report import Track


class MetricSource(msgspec.Struct, frozen=True):
    """A track: its title, its unit, the series it is read from, and how several label sets become one number."""

    title: str
    unit: str
    names: tuple[str, ...]
    how: Literal["sum", "max", "rate"] = "sum"


SOURCES: Final = (
    MetricSource(
        "requests running",
        "requests",
        (
            *("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"),
            *("tgi_batch_current_size", "steward_open_requests"),
        ),
    ),
    MetricSource(
        "requests waiting",
        "requests",
        ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred", "tgi_queue_size"),
    ),
    MetricSource(
        "KV cache in use",
        "share",
        (
            *("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"),
            "llamacpp:kv_cache_usage_ratio",
        ),
        "max",
    ),
    MetricSource(
        "prompt tokens",
        "tokens/s",
        ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total", "llamacpp:prompt_tokens_total"),
        "rate",
    ),
    MetricSource(
        "generated tokens",
        "tokens/s",
        ("vllm:generation_tokens_total", "sglang:generation_tokens_total", "llamacpp:tokens_predicted_total"),
        "rate",
    ),
    MetricSource("preemptions", "a second", ("vllm:num_preemptions_total", "vllm:num_preemptions"), "rate"),
    MetricSource(
        "prefix cache hits", "tokens/s", ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"), "rate"
    ),
    MetricSource("prefix cache hits", "share", ("sglang:cache_hit_rate",), "max"),
    MetricSource("settled requests", "requests/s", ("steward_requests_total",), "rate"),
    MetricSource("turned away", "requests/s", ("steward_turned_away_total",), "rate"),
)
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LINE: Final = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?\s+(\S+)(?:\s+\S+)?\s*$")


def parse_metrics(text: str) -> dict[str, list[float]]:
    """Values by series name, one for each label set. Lines that are none are skipped; NaN and infinities too.

    >>> parse_metrics('# TYPE a gauge\\na{x="1"} 2\\na{x="2"} 3\\n')
    {'a': [2.0, 3.0]}
    """
    values_by_name: dict[str, list[float]] = {}
    for line in text.splitlines():
        if not line or line[0] == "#":
            continue
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if value - value == 0:  # finite
            values_by_name.setdefault(match[1], []).append(value)
    return values_by_name


def build_tracks(scrapes: Sequence[tuple[float, str]]) -> tuple[Track, ...]:
    """From (seconds since the start, page) in order of time; counters become what they rose by a second."""
    pages = [(at, parse_metrics(text)) for at, text in scrapes]
    tracks = []
    for known in SOURCES:
        points = []
        for at, page in pages:
            values = next((page[name] for name in known.names if name in page), None)
            if values is None:  # exporters that may not use a colon
                values = next((page[plain] for name in known.names if (plain := name.replace(":", "_")) in page), None)
            if values is not None:
                points.append((at, max(values) if known.how == "max" else sum(values)))
        if known.how == "rate":
            points = [
                (at, max(0.0, value - before) / (at - since))  # a server that started anew counts from 0
                for (since, before), (at, value) in itertools.pairwise(points)
                if at > since
            ]
        if points:
            times, values_ = zip(*points, strict=True)
            tracks.append(Track(name=known.title, source="server", unit=known.unit, at_s=times, values=values_))
    return tuple(tracks)


GPU_QUERY: Final = ("index", "utilization.gpu", "memory.used", "power.draw", "temperature.gpu")
_GPU_TITLES: Final = (("utilisation", "%"), ("memory", "MiB"), ("power", "W"), ("temperature", "°C"))


def build_gpu_tracks(scrapes: Sequence[tuple[float, str]]) -> tuple[Track, ...]:
    """From (seconds since the start, the CSV that nvidia-smi prints for GPU_QUERY); what a card does not know is left
    out ("[N/A]")."""
    points: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for at, text in scrapes:
        for line in text.splitlines():
            index, *cells = (cell.strip() for cell in line.split(","))
            for place, cell in enumerate(cells[: len(_GPU_TITLES)]):
                if _NUMBER.fullmatch(cell):
                    points.setdefault((index, place), []).append((at, float(cell)))
    tracks = []
    for (index, place), values in sorted(points.items()):
        title, unit = _GPU_TITLES[place]
        times, numbers = zip(*values, strict=True)
        tracks.append(Track(name=f"GPU {index} {title}", source="gpu", unit=unit, at_s=times, values=numbers))
    return tuple(tracks)
