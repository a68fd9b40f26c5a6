"""Prometheus text for all workers at once, from the same settled rows as usage and billing.

`TABLE` is the one place where an internal metric id meets its public names: OpenTelemetry's of semantic-conventions
v1.41.1 (docs/gen-ai/gen-ai-metrics.md) where it has one, with Prometheus's spelling of it (OpenTelemetry specification,
"Prometheus and OpenMetrics compatibility"), and `steward_…` otherwise. Seen from clients steward is the server; seen
from the upstreams it is their client. Format: Prometheus exposition format 0.0.4.

Knows nothing of where the numbers come from. Later kinds of metric are lines of the table and samples.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from steward.core import meters
from steward.core.gpus import REASON_BITS, Gpu, GpuStatus, MigDevice, Reason
from steward.core.meters import BUCKETS, Labels, MeterRow
from steward.core.records import FeedbackSum


class ExportedMetric(msgspec.Struct, frozen=True):
    """One metric: our id, OpenTelemetry's name if it has one, Prometheus's name."""

    id: str
    otel: str | None
    prometheus: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str


DCGM: Final[tuple[tuple[str, Literal["counter", "gauge"], str], ...]] = (  # without DCGM_FI_DEV_
    ("SM_CLOCK", "gauge", "SM clock frequency (in MHz)."),
    ("MEM_CLOCK", "gauge", "Memory clock frequency (in MHz)."),
    ("GPU_TEMP", "gauge", "GPU temperature (in C)."),
    ("MEMORY_TEMP", "gauge", "Memory temperature (in C)."),
    ("POWER_USAGE", "gauge", "Power draw (in W)."),
    ("POWER_MGMT_LIMIT", "gauge", "Power limit in force (in W)."),
    ("TOTAL_ENERGY_CONSUMPTION", "counter", "Total energy consumption since boot (in mJ)."),
    ("GPU_UTIL", "gauge", "GPU utilization (in %)."),
    ("MEM_COPY_UTIL", "gauge", "Memory utilization (in %)."),
    ("ENC_UTIL", "gauge", "Encoder utilization (in %)."),
    ("DEC_UTIL", "gauge", "Decoder utilization (in %)."),
    ("FB_TOTAL", "gauge", "Total framebuffer memory (in MiB)."),
    ("FB_FREE", "gauge", "Framebuffer memory free (in MiB)."),
    ("FB_USED", "gauge", "Framebuffer memory used (in MiB)."),
    ("FB_RESERVED", "gauge", "Framebuffer memory reserved by the driver (in MiB)."),
    ("CLOCKS_EVENT_REASONS", "gauge", "Bit mask of what holds the clocks (nvml.h)."),
    ("XID_ERRORS", "gauge", "Value of the last XID error encountered."),
    ("ECC_SBE_VOL_TOTAL", "counter", "Total number of single-bit volatile ECC errors."),
    ("ECC_DBE_VOL_TOTAL", "counter", "Total number of double-bit volatile ECC errors."),
    ("CORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for correctable errors."),
    ("UNCORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for uncorrectable errors."),
    ("ROW_REMAP_PENDING", "gauge", "Whether remapping of rows is pending."),
    ("ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed."),
)
_SERVER, _CLIENT = "gen_ai.server.", "gen_ai.client."
TABLE: Final = (
    ExportedMetric(
        meters.SERVER_DURATION,
        f"{_SERVER}request.duration",
        "gen_ai_server_request_duration_seconds",
        "histogram",
        "From a request's arrival to the end of its answer.",
    ),
    ExportedMetric(
        meters.TIME_TO_FIRST_TOKEN,
        f"{_SERVER}time_to_first_token",
        "gen_ai_server_time_to_first_token_seconds",
        "histogram",
        "From a request's arrival to the first event of its streamed answer.",
    ),
    ExportedMetric(
        meters.TIME_PER_OUTPUT_TOKEN,
        f"{_SERVER}time_per_output_token",
        "gen_ai_server_time_per_output_token_seconds",
        "histogram",
        "Time per output token after the first, of whole streamed answers.",
    ),
    ExportedMetric(
        meters.CLIENT_DURATION,
        f"{_CLIENT}operation.duration",
        "gen_ai_client_operation_duration_seconds",
        "histogram",
        "Calls to the models behind the gateway, each try apart.",
    ),
    ExportedMetric(
        meters.TOKENS,
        f"{_CLIENT}token.usage",
        "gen_ai_client_token_usage",
        "histogram",
        "Tokens of settled requests; the sums are what usage counts.",
    ),
    ExportedMetric(meters.REQUESTS, None, "steward_requests_total", "counter", "Settled requests."),
    ExportedMetric(meters.USD, None, "steward_cost_usd_total", "counter", "Cost of settled requests in US dollars."),
    ExportedMetric(
        meters.TURNED_AWAY,
        None,
        "steward_turned_away_total",
        "counter",
        "Requests that were refused before they were admitted; they leave no row and cost nothing.",
    ),
    ExportedMetric(
        meters.MASKED, None, "steward_masked_total", "counter", "Values that guards replaced in requests, by kind."
    ),
    ExportedMetric(
        meters.CAPTURES,
        None,
        "steward_captures_total",
        "counter",
        "Exchanges that a capture rule chose: kept, or why not.",
    ),
    ExportedMetric("feedback", None, "steward_feedback_total", "counter", "Feedback that was joined to its request."),
    ExportedMetric(
        "feedback_score",
        None,
        "steward_feedback_score_total",
        "counter",
        "Sum of the scores without their sign; the mean is (positive - negative) / count.",
    ),
    ExportedMetric("store_up", None, "steward_store_up", "gauge", "Whether the store answers."),
    ExportedMetric(
        "ledger_waiting", None, "steward_ledger_waiting_bytes", "gauge", "Bytes of records not yet in the store."
    ),
    ExportedMetric(
        "ledger_lag", None, "steward_ledger_lag_seconds", "gauge", "Age of the oldest record not yet in the store."
    ),
    ExportedMetric("open_requests", None, "steward_open_requests", "gauge", "Requests admitted and not yet settled."),
    ExportedMetric("waiting", None, "steward_requests_waiting", "gauge", "Requests that wait in the line of a route."),
    ExportedMetric(
        "running", None, "steward_requests_running", "gauge", "Requests that hold a place of a route's line."
    ),
    ExportedMetric("alerts", None, "steward_alerts_firing", "gauge", "Alerts that are firing, by severity."),
    ExportedMetric("process_up", None, "steward_process_up", "gauge", "1 where the process runs."),
    ExportedMetric(
        "process_restarts",
        None,
        "steward_process_restarts_total",
        "counter",
        "Restarts of the process since `steward up`.",
    ),
    ExportedMetric(
        "started", None, "steward_start_time_seconds", "gauge", "When `steward up` started, since the epoch."
    ),
    ExportedMetric(
        "config_version", None, "steward_config_version", "gauge", "Version of the configuration that is served."
    ),
    ExportedMetric("config_refused", None, "steward_config_refused", "gauge", "1 where the last change was not taken."),
    ExportedMetric("build", None, "steward_build_info", "gauge", "The running software, always 1."),
    *(
        ExportedMetric(
            name, None, f"DCGM_FI_DEV_{name}", kind, text
        )  # names, kinds and units of NVIDIA's dcgm-exporter
        for name, kind, text in DCGM
    ),
    ExportedMetric(
        "gpu_throttled", None, "steward_gpu_throttled", "gauge", "1 where this holds the GPU's clocks down."
    ),
    ExportedMetric("gpu_lost", None, "steward_gpu_lost", "gauge", "1 where the GPU no longer answers."),
    ExportedMetric("gpu_xid_time", None, "steward_gpu_last_xid_time_seconds", "gauge", "When the last XID came."),
    ExportedMetric("gpu_age", None, "steward_gpu_reading_age_seconds", "gauge", "Age of the numbers about GPUs."),
    ExportedMetric("gpu_failing", None, "steward_gpu_reading_failing", "gauge", "1 where GPUs cannot be read now."),
)

MIB: Final = 1024 * 1024
THROTTLES: Final[tuple[Reason, ...]] = (  # all but what an idle or a configured GPU shows
    "sw_power_cap",
    "hw_slowdown",
    "hw_thermal",
    "sw_thermal",
    "hw_power_brake",
)
ATTRIBUTES: Final[Mapping[str, str]] = {  # internal label to OpenTelemetry's attribute; the others keep their name
    "operation": "gen_ai.operation.name",
    "route": "gen_ai.request.model",  # what the client asked for
    "target": "gen_ai.request.model",  # what the upstream was asked for
    "model": "gen_ai.response.model",
    "provider": "gen_ai.provider.name",
    "token": "gen_ai.token.type",
    "error": "error.type",
    "status": "status_class",
}


class MetricSample(msgspec.Struct, frozen=True):
    """One value of a counter or gauge, by metric id."""

    metric: str
    value: float
    labels: Labels = ()


class ProcessState(msgspec.Struct, frozen=True):
    """A process as the supervisor sees it."""

    name: str
    up: bool
    restarts: int


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """What is served, and by what."""

    version: str
    started_at: float
    config_version: int
    config_refused: bool
    processes: tuple[ProcessState, ...]
    store_up: bool = True
    open_requests: int | None  # None, as below: not known while the store does not answer
    alerts: Mapping[str, int] | None = {}  # that are firing, by severity
    ledger: tuple[int, float] | None = (0, 0.0)  # bytes that wait in its files, seconds that the oldest record waits
    lines: Mapping[str, tuple[int, int]] = {}  # by route: requests that wait, requests that run


def deployment_samples(seen: ServiceState) -> Iterator[MetricSample]:
    """The state of the processes and of the configuration."""
    yield MetricSample("store_up", float(seen.store_up))
    if seen.ledger is not None:
        yield MetricSample("ledger_waiting", seen.ledger[0])
        yield MetricSample("ledger_lag", seen.ledger[1])
    if seen.open_requests is not None:
        yield MetricSample("open_requests", seen.open_requests)
    for route, (waiting, running) in seen.lines.items():
        yield MetricSample("waiting", waiting, (("route", route),))
        yield MetricSample("running", running, (("route", route),))
    for severity in ("page", "ticket") if seen.alerts is not None else ():
        yield MetricSample("alerts", (seen.alerts or {}).get(severity, 0), (("severity", severity),))
    for process in seen.processes:
        name: Labels = (("process", process.name),)
        yield MetricSample("process_up", float(process.up), name)
        yield MetricSample("process_restarts", process.restarts, name)
    yield MetricSample("started", seen.started_at)
    yield MetricSample("config_version", seen.config_version)
    yield MetricSample("config_refused", float(seen.config_refused))
    yield MetricSample("build", 1, (("version", seen.version),))


def feedback_samples(sums: Iterable[FeedbackSum]) -> Iterator[MetricSample]:
    """Counts and sums by route, model and sentiment, which grow only; labels that clients choose are left out."""
    for row in sums:
        labels = (("route", row.route), ("model", row.model or ""), ("sentiment", row.sentiment))
        yield MetricSample("feedback", row.count, labels)
        yield MetricSample("feedback_score", row.magnitude, labels)


def gpu_samples(status: GpuStatus) -> Iterator[MetricSample]:
    """GPUs under DCGM's names and labels; nothing where none was ever seen. Processes are left out: they are people's.

    A GPU that is divided tells its memory by part, with the labels that dcgm-exporter gives a part, and not once more
    as a whole.
    """
    if status.age_s is None and not status.error:
        return
    yield MetricSample("gpu_failing", float(bool(status.error)))
    if status.age_s is not None:
        yield MetricSample("gpu_age", status.age_s)
    for gpu in status.reading.gpus if status.reading is not None else ():
        short: Labels = (("gpu", str(gpu.index)), ("UUID", gpu.uuid))
        labels: Labels = (*short, ("pci_bus_id", gpu.pci), ("modelName", gpu.name))
        yield MetricSample("gpu_lost", float(bool(gpu.error)), short)
        for name, value in _dcgm(gpu).items():
            if value is not None:
                yield MetricSample(name, float(value), labels)
        for reason in THROTTLES if gpu.reasons is not None else ():
            yield MetricSample("gpu_throttled", float(reason in (gpu.reasons or ())), (*short, ("reason", reason)))
        if gpu.last_xid is not None:
            yield MetricSample("gpu_xid_time", gpu.last_xid.at, short)
        for holder, added in _holders(gpu):
            for name, size in (
                ("FB_TOTAL", holder.memory_total_bytes),
                ("FB_USED", holder.memory_used_bytes),
                ("FB_FREE", holder.memory_free_bytes),
            ):
                if size is not None:
                    yield MetricSample(name, size / MIB, (*labels, *added))


def _dcgm(gpu: Gpu) -> dict[str, float | None]:
    """What holds for the GPU as a whole, in DCGM's units."""
    bits = None if gpu.reasons is None else sum(REASON_BITS[reason] for reason in gpu.reasons)
    return {
        "SM_CLOCK": gpu.sm_clock_mhz,
        "MEM_CLOCK": gpu.memory_clock_mhz,
        "GPU_TEMP": gpu.temperature_c,
        "MEMORY_TEMP": gpu.memory_temperature_c,
        "POWER_USAGE": gpu.power_w,
        "POWER_MGMT_LIMIT": gpu.power_limit_w,
        "TOTAL_ENERGY_CONSUMPTION": None if gpu.energy_j is None else gpu.energy_j * 1000,
        "GPU_UTIL": gpu.gpu_percent,
        "MEM_COPY_UTIL": gpu.memory_percent,
        "ENC_UTIL": gpu.encoder_percent,
        "DEC_UTIL": gpu.decoder_percent,
        "FB_RESERVED": None if gpu.memory_reserved_bytes is None else gpu.memory_reserved_bytes / MIB,
        "CLOCKS_EVENT_REASONS": bits,
        "XID_ERRORS": None if gpu.last_xid is None else gpu.last_xid.code,
        "ECC_SBE_VOL_TOTAL": gpu.ecc_corrected,
        "ECC_DBE_VOL_TOTAL": gpu.ecc_uncorrected,
        "CORRECTABLE_REMAPPED_ROWS": gpu.rows_remapped_corrected,
        "UNCORRECTABLE_REMAPPED_ROWS": gpu.rows_remapped_uncorrected,
        "ROW_REMAP_PENDING": gpu.row_remap_pending,
        "ROW_REMAP_FAILURE": gpu.row_remap_failed,
    }


def _holders(gpu: Gpu) -> Iterator[tuple[Gpu | MigDevice, Labels]]:
    if gpu.mig is None:
        yield gpu, ()
    for part in gpu.mig or ():
        yield part, (("GPU_I_PROFILE", part.profile), ("GPU_I_ID", "" if part.instance is None else str(part.instance)))


def render(
    rows: Iterable[MeterRow], samples: Iterable[MetricSample] = (), providers: Mapping[str, str] | None = None
) -> str:
    """The text of `/metrics`. `providers`: by model, for OpenTelemetry's `gen_ai.provider.name` of calls to models.

    >>> print(render([MeterRow("requests", (("route", "big"), ("outcome", "ok")), "", 2.0)]), end="")
    # HELP steward_requests_total Settled requests.
    # TYPE steward_requests_total counter
    steward_requests_total{gen_ai_request_model="big",outcome="ok"} 2
    """
    series: dict[str, dict[Labels, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    every = itertools.chain(rows, (MeterRow(item.metric, item.labels, "", item.value) for item in samples))
    for row in every:
        series[row.meter][_with_provider(row.labels, providers or {})][row.part] = row.value
    lines: list[str] = []
    for metric in TABLE:
        if metric.id not in series:
            continue
        lines += [f"# HELP {metric.prometheus} {metric.help}", f"# TYPE {metric.prometheus} {metric.kind}"]
        for labels, parts in sorted(series[metric.id].items()):
            if metric.kind == "histogram":
                lines += _histogram(metric, labels, parts)
            else:
                lines.append(f"{metric.prometheus}{_braces(labels)} {_number(parts[''])}")
    return "\n".join(lines) + "\n"


def _with_provider(labels: Labels, providers: Mapping[str, str]) -> Labels:
    target = dict(labels).get("target", "")
    return (*labels, ("provider", providers[target])) if target in providers else labels


def _histogram(metric: ExportedMetric, labels: Labels, parts: Mapping[str, float]) -> Iterator[str]:
    """Buckets cumulate here; in the store each stands for itself."""
    total = 0.0
    for bound in (*BUCKETS[metric.id], math.inf):
        total += parts.get(repr(bound), 0.0)
        edge = "+Inf" if bound == math.inf else f"{bound:.15g}"
        yield f"{metric.prometheus}_bucket{_braces((*labels, ('le', edge)))} {_number(total)}"
    yield f"{metric.prometheus}_sum{_braces(labels)} {_number(parts.get('sum', 0.0))}"
    yield f"{metric.prometheus}_count{_braces(labels)} {_number(total)}"


def _braces(labels: Labels) -> str:
    """Labels without a value are left out: to Prometheus they are the same."""
    pairs = [(ATTRIBUTES.get(name, name).replace(".", "_"), value) for name, value in labels if value]
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
