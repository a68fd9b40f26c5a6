"""What the status page says, from one snapshot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from markupsafe import Markup

from steward.capacity.gpu_health import GpuIssue, assess_gpus
from steward.console.reader import Reader
from steward.core.alerts import Alert
from steward.core.errors import StewardError
from steward.core.gpus import Gpu, GpuStatus
from steward.core.records import ExchangeRow, SeriesPoint, Snapshot
from steward.monitoring.conditions import LATE_S
from steward.monitoring.slo import SloStatus
from steward.web.charts import ChartSeries, bar_chart, line_chart

GIB = 1024**3
RECENT_S = 300.0  # of the last requests, for the sentence on top
FAILING = 0.05  # a share of requests that fail which nobody calls operational, where no objective allows more
FEWEST_FAILED = 3
OLD_S = 45.0  # of readings that come every 10 s: something is wrong with the driver


class Standing(msgspec.Struct, frozen=True):
    """The verdict of the headline on every page, of the page Processes and of `steward status`, in the same words."""

    state: Literal["operational", "degraded", "down"]  # degraded: some requests are answered as they should be
    sentence: str


def judge_standing(snapshot: Snapshot, objectives: Sequence[SloStatus] = (), alerts: Sequence[Alert] = ()) -> Standing:
    """The gravest thing that is known to be wrong: with what runs, then with the objectives and open alerts."""
    models, workers = snapshot.models, [item for item in snapshot.processes if item.name.startswith("worker-")]
    for kind in (models, workers):
        if kind and all(item.state != "ok" for item in kind):
            return Standing("down", _say_down([item.name for item in kind]))
    problem = (
        _say_alerts([alert for alert in alerts if alert.severity == "page"])
        or _say_objectives(objectives, "budget spent")
        or _find_problem(snapshot, objectives)
        or _say_objectives(objectives, "burning")
        or _say_alerts(alerts)
    )
    return Standing("degraded", problem) if problem else Standing("operational", "All systems operational.")


def judge_without_store(error: StewardError) -> Standing:
    return Standing("degraded", f"Requests are recorded in files, and nothing is watched: {error}.")


def _say_objectives(objectives: Sequence[SloStatus], state: Literal["burning", "budget spent"]) -> str:
    """Which objectives are in this state; empty: none."""
    names = [one.name for one in objectives if one.state == state]
    if not names:
        return ""
    one, many = {"burning": ("burns", "burn"), "budget spent": ("has spent", "have spent")}[state]
    return f"{_join(names)} {one if len(names) == 1 else many} the error budget."


def _say_alerts(alerts: Sequence[Alert]) -> str:
    if not alerts:
        return ""
    first = alerts[0].summary.rstrip(".")
    return f"{first}." if len(alerts) == 1 else f"{first}, and {len(alerts) - 1} more."


def _join(names: Sequence[str]) -> str:
    """
    >>> _join(["a"]), _join(["a", "b"]), _join(["a", "b", "c", "d"])
    ('a', 'a and b', 'a, b and 2 more')
    """
    if len(names) <= 2:
        return " and ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def _say_down(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} down."


def _find_problem(snapshot: Snapshot, objectives: Sequence[SloStatus]) -> str:
    """With what runs: processes, models, the newest requests, GPUs, the ledger, the configuration."""
    down = [item.name for item in (*snapshot.models, *snapshot.processes) if item.state != "ok"]
    if down:
        return _say_down(down)
    recent = [point for point in snapshot.series if point.at > snapshot.at - RECENT_S]
    requests, errors = sum(point.requests for point in recent), sum(point.errors for point in recent)
    allowed = max([FAILING, *(1.0 - one.objective for one in objectives if one.kind == "availability")])
    if errors >= FEWEST_FAILED and errors > allowed * requests:
        share = "Most requests fail" if errors > requests / 2 else f"{100 * errors / requests:.1f} % of requests fail"
        return f"{share}: {errors:,} of {requests:,} in the last {find_span(RECENT_S)}."
    if snapshot.gpus.error:
        return "The GPUs cannot be read."
    if snapshot.gpus.reading is not None and (issues := assess_gpus(snapshot.gpus.reading).issues):
        indices = sorted({item.index for item in issues})
        return f"GPU {', '.join(map(str, indices))} {'needs' if len(indices) == 1 else 'need'} attention."
    if snapshot.ledger_lag_s > LATE_S:
        lag = span(snapshot.ledger_lag_s)
        return f"Records have waited outside the store for {lag}: usage, budgets and alerts lag behind."
    if snapshot.config_error:
        return "The last configuration change was rejected."
    return ""


def view(snapshot: Snapshot, reader: Reader = Reader(), standing: Standing | None = None) -> dict[str, Any]:
    """The values of status.html. `standing`: judged by more than the snapshot."""
    usage, bucket = snapshot.usage, find_span(snapshot.bucket_s)
    whole = find_span(snapshot.bucket_s * len(snapshot.series))
    standing = standing or judge_standing(snapshot)
    return {
        "calm": standing.state == "operational",
        "sentence": standing.sentence,
        "snapshot": snapshot,
        "span": whole,
        "up_for": span(snapshot.at - snapshot.started_at),
        "figures": [
            ("Requests", reader.compact(usage.requests), f"in the last {whole}"),
            (
                "Errors",
                reader.share(usage.errors / usage.requests if usage.requests else None),
                f"{reader.number(usage.errors)} request{'' if usage.errors == 1 else 's'}",
            ),
            ("Slowest p95", reader.duration(_find_worst(snapshot.series)), f"of any {bucket}"),
            ("Output tokens", reader.compact(usage.output_tokens), f"{reader.compact(usage.input_tokens)} in"),
        ],
        "charts": [Markup(chart) for chart in _charts(snapshot, bucket, reader)] if usage.requests else [],
        "rows": [_row(row, reader) for row in snapshot.last],
        "gpus": gpus(snapshot.gpus),
    }


def gpus(status: GpuStatus) -> dict[str, Any] | None:
    """The section about GPUs; None where this machine has none."""
    if status.age_s is None and not status.error:
        return None
    judged = assess_gpus(status.reading) if status.reading is not None else None
    issues = judged.issues if judged is not None else ()
    age = span(status.age_s) if status.age_s is not None and status.age_s >= OLD_S else ""
    return {
        "rows": [row for gpu in (judged.reading.gpus if judged is not None else ()) for row in _gpu(gpu, issues)],
        "complaints": [
            (f"GPU {item.index}: {item.text}", "bad" if item.severity == "ill" else "starting") for item in issues
        ],
        "error": status.error,
        "age": age,
    }


def _gpu(gpu: Gpu, issues: tuple[GpuIssue, ...]) -> list[dict[str, Any]]:
    """A row for the GPU and one for each of its parts; shares are percentages for the meters."""
    worst = {item.severity for item in issues if item.index == gpu.index}
    rows = [
        {
            "state": "bad" if "ill" in worst else "starting" if "slowed" in worst else "fine",
            "index": str(gpu.index),
            "name": gpu.name.removeprefix("NVIDIA ") or gpu.error,
            "busy": gpu.gpu_percent,
            "memory": _gib(gpu.memory_used_bytes, gpu.memory_total_bytes),
            "share": _share(gpu.memory_used_bytes, gpu.memory_total_bytes),
            "temperature": f"{gpu.temperature_c:.0f} °C" if gpu.temperature_c is not None else "–",
            "power": _watts(gpu),
            "clock": f"{gpu.sm_clock_mhz:,.0f} MHz" if gpu.sm_clock_mhz is not None else "–",
        }
    ]
    for part in gpu.mig or ():
        instance = "" if part.instance is None else f", instance {part.instance}"
        rows.append(
            {
                "state": "",
                "index": "",
                "name": f"MIG {part.profile}".strip() + instance,
                "busy": None,
                "memory": _gib(part.memory_used_bytes, part.memory_total_bytes),
                "share": _share(part.memory_used_bytes, part.memory_total_bytes),
                "temperature": "",
                "power": "",
                "clock": "",
            }
        )
    return rows


def _gib(used: int | None, total: int | None) -> str:
    """
    >>> _gib(10 * 2**30, 80 * 2**30), _gib(None, 80 * 2**30), _gib(None, None)
    ('10.0 of 80.0 GiB', '80.0 GiB', '–')
    """
    if total is None:
        return "–"
    return f"{total / GIB:.1f} GiB" if used is None else f"{used / GIB:.1f} of {total / GIB:.1f} GiB"


def _share(used: int | None, total: int | None) -> float | None:
    return 100 * used / total if used is not None and total else None


def _watts(gpu: Gpu) -> str:
    if gpu.power_w is None:
        return "–"
    return f"{gpu.power_w:.0f} W" if gpu.power_limit_w is None else f"{gpu.power_w:.0f} of {gpu.power_limit_w:.0f} W"


def find_span(seconds: float) -> str:
    """
    >>> find_span(60), find_span(15), find_span(900), find_span(3600)
    ('minute', '15 s', '15 minutes', 'hour')
    """
    named = {60.0: "minute", 3600.0: "hour"}
    return named.get(seconds) or (f"{seconds / 60:.0f} minutes" if seconds > 60 else f"{seconds:.0f} s")


def span(seconds: float) -> str:
    """
    >>> span(42), span(3720), span(200000)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


def _find_worst(series: tuple[SeriesPoint, ...]) -> float | None:
    return max((point.p95_s for point in series if point.p95_s is not None), default=None)


def _charts(snapshot: Snapshot, bucket: str, reader: Reader) -> list[str]:
    series = snapshot.series
    labels = reader.ticks([int(point.at) for point in series], int(snapshot.bucket_s))
    latency = [
        ChartSeries("p50", tuple(point.p50_s for point in series), "a"),
        ChartSeries("p95", tuple(point.p95_s for point in series), "b"),
        ChartSeries("p99", tuple(point.p99_s for point in series), "c"),
    ]
    traffic = [
        ChartSeries("ok", tuple(float(point.requests - point.errors) for point in series), "a"),
        ChartSeries("errors", tuple(float(point.errors) for point in series), "d"),
    ]
    return [
        line_chart("Latency", labels, latency, reader.duration),
        bar_chart(f"Requests per {bucket}", labels, traffic, reader.compact),
    ]


def _row(row: ExchangeRow, reader: Reader) -> dict[str, str]:
    return {
        "time": reader.clock(row.at, seconds=True),
        "outcome": row.outcome,
        "status": str(row.status),
        "model": row.model or "–",
        "kind": row.endpoint.removeprefix("/v1/") + (", streamed" if row.streamed else ""),
        "input": reader.number(row.input_tokens),
        "output": reader.number(row.output_tokens),
        "ttft": reader.duration(row.ttft_s) if row.streamed else "–",
        "duration": reader.duration(row.duration_s),
    }
