"""`steward load`: send requests at a rate, find the highest one, compare runs, and say how good the client is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.core.errors import InputError, UnknownName

if TYPE_CHECKING:
    from steward.core.load_report import LoadReport, Quantiles
    from steward.loadtest.config import LoadConfig
    from steward.loadtest.ipc import SenderProgress
    from steward.workflows.loadtest import FinishedRun, MonitorOptions, OnProgress

Url = Annotated[str, typer.Argument(help="Of the server, such as http://127.0.0.1:8080/v1.")]
Model = Annotated[str, typer.Option(help="Model or route to ask for.")]
Endpoint = Annotated[str, typer.Option(help="chat, completions or embeddings.")]
Stream = Annotated[bool, typer.Option("--stream/--no-stream", help="Whether answers come as streams.")]
InputTokens = Annotated[
    str, typer.Option(help="512, uniform:100:900, normal:512:128, lognormal:512:0.8 or exponential:512.")
]
OutputTokens = Annotated[str, typer.Option(help="max_tokens of the requests; as --input-tokens.")]
SharedPrefix = Annotated[int, typer.Option(min=0, help="Tokens that all prompts begin with.")]
Prompts = Annotated[Path | None, typer.Option(help="JSON lines with prompt or messages, or a .txt, one a line.")]
Turns = Annotated[int, typer.Option(min=1, help="Turns of a conversation; each carries those before it.")]
Think = Annotated[str, typer.Option(help="Between an answer and the next turn.")]
Key = Annotated[str | None, typer.Option(help="env:NAME or file:PATH of the bearer key.")]
Header = Annotated[list[str] | None, typer.Option("--header", "-H", help="NAME: VALUE, of every request.")]
Body = Annotated[str | None, typer.Option(help="""JSON merged into every request: '{"ignore_eos": true}'.""")]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust, PEM.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")]
Warmup = Annotated[str, typer.Option(help="Requests of this time are sent and left out.")]
Timeout = Annotated[str, typer.Option(help="Of one request.")]
Stall = Annotated[str, typer.Option(help="Most time without a byte of an answer.")]
Drain = Annotated[str, typer.Option(help="For what is under way after the last send.")]
MaxErrors = Annotated[float | None, typer.Option(min=0, max=1, help="Stop when a larger share has failed.")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="Sending processes; they share one schedule.")]
Seed = Annotated[int, typer.Option(help="Of arrivals, lengths and texts.")]
Tokenizer = Annotated[Path | None, typer.Option(help="tokenizer.json, where the server reports no usage.")]
Slo = Annotated[str | None, typer.Option(help="Objective: ttft_p95<500ms,tpot_p95<50ms.")]
LateBudget = Annotated[float, typer.Option(min=0.1, help="Lateness of the client, p99 in ms, that still is valid.")]
MetricsUrl = Annotated[str | None, typer.Option(help="The server's metrics page; else /metrics, where there is one.")]
MetricsKey = Annotated[str | None, typer.Option(help="env:NAME or file:PATH of its token.")]
Out = Annotated[Path | None, typer.Option(help="Write the report as JSON to this path.")]
Csv = Annotated[Path | None, typer.Option(help="Write one line for each request to this path.")]
Html = Annotated[Path | None, typer.Option(help="Write the report as one HTML file to this path.")]


def run(
    url: Url,
    model: Model,
    rate: Annotated[float | None, typer.Option(help="Requests a second; a ramp's last.")] = None,
    arrival: Annotated[str, typer.Option(help="constant, poisson, gamma or ramp.")] = "poisson",
    burstiness: Annotated[float, typer.Option(help="Shape of gamma gaps: 1 Poisson, 0.25 bursts.")] = 1.0,
    start_rate: Annotated[float, typer.Option(help="A ramp's first rate.")] = 0.0,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Closed loop: so many users instead of a rate.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Such as 60s; else until --requests.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="The run ends after so many.")] = None,
    warmup: Warmup = "0s",
    input_tokens: InputTokens = "512",
    output_tokens: OutputTokens = "128",
    shared_prefix: SharedPrefix = 0,
    prompts: Prompts = None,
    turns: Turns = 1,
    think: Think = "0s",
    endpoint: Endpoint = "chat",
    stream: Stream = True,
    key: Key = None,
    header: Header = None,
    body: Body = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    timeout: Timeout = "600s",
    stall: Stall = "120s",
    drain: Drain = "30s",
    max_errors: MaxErrors = None,
    processes: Processes = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Send from Ray tasks, --processes of them.")] = False,
    seed: Seed = 0,
    tokenizer: Tokenizer = None,
    slo: Slo = None,
    late_budget: LateBudget = 10.0,
    metrics_url: MetricsUrl = None,
    metrics_key: MetricsKey = None,
    out: Out = None,
    csv: Csv = None,
    html: Html = None,
    json: JsonOption = False,
) -> None:
    """One test. Exit 0 valid and within --slo, 1 over it, 3 invalid, partial or unclear, 4 nothing was answered."""
    began = time.monotonic()
    from steward.loadtest.config import Arrival, parse_seconds

    if concurrency is not None and rate is not None:
        raise InputError("--rate and --concurrency: expected one of them; a rate is an open loop, users a closed one")
    config = _config(
        **_named(locals()),
        arrival=Arrival(
            kind="concurrency" if concurrency is not None else _kind(arrival),
            rate=rate,
            start_rate=start_rate,
            burstiness=burstiness,
            concurrency=concurrency,
        ),
        duration_s=parse_seconds(duration) if duration else None,
        requests=requests,
    )
    _go(config, _watched(metrics_url, metrics_key), began, out, csv, html, json, ray)


def replay(
    trace: Annotated[Path, typer.Argument(help="JSON lines with at_s or timestamp (ms), and token counts or prompts.")],
    url: Url,
    model: Model,
    speed: Annotated[float, typer.Option(help="2 sends twice as fast.")] = 1.0,
    duration: Annotated[str | None, typer.Option(help="Only the trace's first so many seconds.")] = None,
    endpoint: Endpoint = "chat",
    stream: Stream = True,
    key: Key = None,
    header: Header = None,
    body: Body = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    timeout: Timeout = "600s",
    stall: Stall = "120s",
    drain: Drain = "30s",
    max_errors: MaxErrors = None,
    processes: Processes = 1,
    seed: Seed = 0,
    tokenizer: Tokenizer = None,
    slo: Slo = None,
    late_budget: LateBudget = 10.0,
    metrics_url: MetricsUrl = None,
    metrics_key: MetricsKey = None,
    out: Out = None,
    csv: Csv = None,
    html: Html = None,
    json: JsonOption = False,
) -> None:
    """Send a trace's requests at its own times. Exit codes as `run`."""
    began = time.monotonic()
    from steward.loadtest.config import Arrival, parse_seconds

    config = _config(
        **_named(locals()),
        arrival=Arrival(kind="trace"),
        trace=str(trace),
        speed=speed,
        duration_s=parse_seconds(duration) if duration else None,
    )
    _go(config, _watched(metrics_url, metrics_key), began, out, csv, html, json)


Arrivals = Annotated[str, typer.Option(help="constant, poisson or gamma.")]


def find_max(
    url: Url,
    model: Model,
    slo: Annotated[str, typer.Option(help="Objective: ttft_p95<500ms,tpot_p95<50ms.")],
    trial: Annotated[str, typer.Option(help="Of one rate; longer where so few requests decide nothing.")] = "20s",
    start: Annotated[float | None, typer.Option(help="First rate; else what one user at a time gives.")] = None,
    highest: Annotated[float, typer.Option(help="No rate above it is tried.")] = 1e6,
    tolerance: Annotated[float, typer.Option(min=0.001, max=1, help="Ends when the bracket is so narrow.")] = 0.02,
    arrival: Arrivals = "poisson",
    burstiness: Annotated[float, typer.Option(help="Shape of gamma gaps: 1 Poisson, 0.25 bursts.")] = 1.0,
    warmup: Warmup = "2s",
    input_tokens: InputTokens = "512",
    output_tokens: OutputTokens = "128",
    shared_prefix: SharedPrefix = 0,
    prompts: Prompts = None,
    endpoint: Endpoint = "chat",
    stream: Stream = True,
    key: Key = None,
    header: Header = None,
    body: Body = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    timeout: Timeout = "600s",
    stall: Stall = "120s",
    drain: Drain = "30s",
    processes: Processes = 1,
    seed: Seed = 0,
    late_budget: LateBudget = 10.0,
    out: Out = None,
    html: Html = None,
    json: JsonOption = False,
) -> None:
    """The highest rate, that holds an objective. Exit 1: not even the lowest; 3: the client is the limit."""
    from steward.loadtest.config import Arrival, parse_seconds
    from steward.workflows import load_search, loadtest

    for path in (out, html):
        if path is not None:
            loadtest.check_writable(path)
    config = _config(
        **_named(locals()), max_errors=None, tokenizer=None, turns=1,
        arrival=Arrival(kind=_kind(arrival), rate=1.0, burstiness=burstiness), duration_s=1.0,
    )  # fmt: skip
    found = load_search.find_max(
        config,
        trial_s=parse_seconds(trial),
        start=start,
        highest=highest,
        tolerance=tolerance,
        on_line=_progress_printer(json),
    )
    if json:
        show_json(found)
    else:
        rows = [
            [f"{item.rate:.4g}", item.answer, item.sent, _digits(item.ttft_p95_ms), _digits(item.tpot_p95_ms), item.why]
            for item in sorted(found.trials, key=lambda item: item.rate)
        ]
        show_table(["req/s", "", "sent", "ttft p95 ms", "tpot p95 ms", "why"], rows)
        held = "no rate" if found.rate is None else f"{found.rate:.4g} req/s"
        above = "" if found.fails_at is None else f"; {found.fails_at:.4g} does not"
        show_lines([f"{held} holds {found.slo}{above}" + (f" ({found.reason})" if found.reason else "")])
    if out is not None:
        loadtest.write_file(out, loadtest.encode_report(found))
    if html is not None:
        from steward.loadtest.report import render_find_max

        loadtest.write_file(html, render_find_max(found).encode())
    raise typer.Exit({"found": 0, "no_limit_found": 0, "not_even_the_lowest": 1, "client_limit": 3}[found.verdict])


def sweep(
    url: Url,
    model: Model,
    rates: Annotated[str | None, typer.Option(help="1,2,4: requests a second; else doubled until saturated.")] = None,
    users: Annotated[str | None, typer.Option(help="1,2,4: users of a closed loop, instead of rates.")] = None,
    step: Annotated[str, typer.Option(help="Time of each.")] = "20s",
    most: Annotated[int, typer.Option(min=2, max=50, help="Steps, where none are given.")] = 10,
    arrival: Arrivals = "poisson",
    burstiness: Annotated[float, typer.Option(help="Shape of gamma gaps: 1 Poisson, 0.25 bursts.")] = 1.0,
    warmup: Warmup = "2s",
    input_tokens: InputTokens = "512",
    output_tokens: OutputTokens = "128",
    shared_prefix: SharedPrefix = 0,
    prompts: Prompts = None,
    endpoint: Endpoint = "chat",
    stream: Stream = True,
    key: Key = None,
    header: Header = None,
    body: Body = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    timeout: Timeout = "600s",
    stall: Stall = "120s",
    drain: Drain = "30s",
    processes: Processes = 1,
    seed: Seed = 0,
    late_budget: LateBudget = 10.0,
    out: Out = None,
    html: Html = None,
    json: JsonOption = False,
) -> None:
    """Throughput against latency, and where the server saturates. Exit 3 where a step was invalid."""
    from steward.loadtest.config import Arrival, parse_seconds
    from steward.workflows import load_search, loadtest

    for path in (out, html):
        if path is not None:
            loadtest.check_writable(path)
    if rates and users:
        raise InputError("--rates and --users: expected one of them; rates are an open loop, users a closed one")
    config = _config(
        **_named(locals()), max_errors=None, tokenizer=None, turns=1, slo=None,
        arrival=Arrival(kind=_kind(arrival), rate=1.0, burstiness=burstiness), duration_s=1.0,
    )  # fmt: skip
    found = load_search.sweep(
        config, rates=_numbers(rates, "--rates"), users=[int(count) for count in _numbers(users, "--users")],
        step_s=parse_seconds(step), most=most, on_line=_progress_printer(json),
    )  # fmt: skip
    if json:
        show_json(found)
    else:
        show_table(
            ["load", "answers/s", "output tokens/s", "in flight", "ttft p50", "ttft p95", "tpot p50", "tpot p95", ""],
            [
                [
                    f"{point.concurrency} users" if point.concurrency else f"{point.rate:.4g} req/s",
                    f"{point.answered_rate:.2f}", f"{point.output_tok_s:,.0f}", f"{point.concurrency_mean:.1f}",
                    _digits(point.ttft_p50_ms), _digits(point.ttft_p95_ms), _digits(point.tpot_p50_ms),
                    _digits(point.tpot_p95_ms), _word(point.saturated, point.valid),
                ]
                for point in found.points
            ],
        )  # fmt: skip
        where = "not saturated" if found.saturates_at is None else f"saturated from {found.saturates_at:.4g}"
        show_lines(
            [f"{where}; at most {found.capacity_rate:.2f} answers/s, {found.capacity_tok_s:,.0f} output tokens/s"]
        )
        show_lines(f"note: {note}" for note in found.notes)
    if out is not None:
        loadtest.write_file(out, loadtest.encode_report(found))
    if html is not None:
        from steward.loadtest.report import render_sweep

        loadtest.write_file(html, render_sweep(found).encode())
    raise typer.Exit(0 if all(point.valid for point in found.points) else 3)


def compare(
    baseline: Annotated[Path, typer.Argument(help="Report of what is now, JSON.")],
    candidate: Annotated[Path, typer.Argument(help="Report of what is to be, JSON.")],
    margin: Annotated[float, typer.Option(min=0, help="Slower by so much is no matter: 0.05 is five percent.")] = 0.05,
    metric: Annotated[list[str] | None, typer.Option(help="Such as ttft_p95; may come several times.")] = None,
    json: JsonOption = False,
) -> None:
    """Exit 0 where nothing got slower by more than the margin, 1 where something did, 3 where it cannot be told."""
    from steward.workflows import load_search

    found = load_search.compare_files(baseline, candidate, margin, metric or ())
    if json:
        show_json(found)
    else:
        rows = [
            [item.name, f"{item.baseline:.4g}", f"{item.candidate:.4g}", f"{item.change:+.1%}", f"{item.low:+.1%}",
             f"{item.high:+.1%}", item.verdict.replace("_", " ")]
            for item in found.changes
        ]  # fmt: skip
        show_table(["", "baseline", "candidate", "change", "low", "high", ""], rows)
        show_lines([f"{found.candidate} against {found.baseline}: {found.verdict.replace('_', ' ')}"])
        show_lines(f"note: {reason}" for reason in found.reasons)
    raise typer.Exit({"no_worse": 0, "slower": 1, "inconclusive": 3}[found.verdict])


def selftest(
    rates: Annotated[
        str | None, typer.Option(help="25,100,400: requests a second; else upwards until one fails.")
    ] = None,
    step: Annotated[str, typer.Option(help="Time of each.")] = "3s",
    processes: Processes = 1,
    json: JsonOption = False,
) -> None:
    """How fast and how precise this client is on this machine, against a server of known timing. Exit 3: not at all."""
    from steward.loadtest.config import parse_seconds
    from steward.workflows import load_search

    if not json:
        show_lines(["True times: first token after 50 ms, then 31 more, one every 10 ms. Errors are in ms."])
        show_lines(["   req/s   TTFT p50   TTFT p99   TPOT p50   late p99   client CPU   server's own p99"])

    def show_step(item: object) -> None:
        from steward.loadtest.selftest import SelfTestStep

        if isinstance(item, SelfTestStep) and not json:
            show_lines(
                [
                    f"{item.rate:8.0f} {item.ttft_error_p50_ms:+10.2f} {item.ttft_error_p99_ms:+10.2f} "
                    f"{item.tpot_error_p50_ms:+10.2f} {item.late_p99_ms:10.2f} {item.cpu_share:12.0%} "
                    f"{item.server_late_p99_ms:18.2f}   {'good' if item.good else 'not good'}"
                ]
            )

    found = load_search.selftest(
        rates=_numbers(rates, "--rates"), step_s=parse_seconds(step), processes=processes, on_step=show_step
    )
    if json:
        show_json(found)
    else:
        limit = (
            "not even the lowest rate is"
            if found.good_up_to is None
            else f"up to {found.good_up_to:g} requests a second are"
        )
        show_lines(
            [f"{limit} good here (TTFT within 1 ms at p50, 5 ms at p99); a process starts in {found.start_s:.2f} s"]
        )
    raise typer.Exit(0 if found.good_up_to is not None else 3)


# -- from options to the record ---------------------------------------------------------------------

_SECONDS = ("warmup", "think", "timeout", "stall", "drain")
_SAME = (
    *("url", "model", "endpoint", "stream", "input_tokens", "output_tokens", "turns", "key", "insecure", "processes"),
    *("seed", "slo"),
)


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """The options that all commands with requests share, out of a command's arguments."""
    return {
        name: value
        for name, value in given.items()
        if name in (*_SAME, *_SECONDS, "shared_prefix", "prompts", "header", "body", "ca_file", "max_errors")
        or name in ("tokenizer", "late_budget")
    }


def _config(**given: Any) -> LoadConfig:
    """:raises InputError: an option that cannot be read"""
    from steward.loadtest.config import PATHS, LoadConfig, check_config, parse_seconds

    if given["endpoint"] not in PATHS:
        raise UnknownName("endpoint", given["endpoint"], PATHS)
    renamed = {
        "shared_prefix_tokens": given.pop("shared_prefix", 0),
        "headers": tuple(_header(text) for text in given.pop("header") or ()),
        "body": _object(given.pop("body")),
        "max_error_share": given.pop("max_errors"),
        "late_budget_ms": given.pop("late_budget"),
    }
    for name in ("prompts", "ca_file", "tokenizer"):
        path = given.pop(name, None)
        renamed[name] = str(path) if path is not None else None
    for name in _SECONDS:
        if name in given:
            renamed[f"{name}_s"] = parse_seconds(given.pop(name))
    return check_config(LoadConfig(**given, **renamed))


def _kind(name: str) -> Any:
    kinds = ("constant", "poisson", "gamma", "ramp")
    if name not in kinds:
        raise UnknownName("arrival", name, kinds)
    return name


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and name.strip()):
        raise InputError(f"--header {text!r}: expected NAME: VALUE")
    return name.strip(), value.strip()


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InputError(f"""--body {text!r}: {error}; expected a JSON object, such as '{{"top_k": 1}}'""") from error


def _watched(metrics_url: str | None, metrics_key: str | None) -> MonitorOptions:
    from steward.workflows.loadtest import MonitorOptions

    return MonitorOptions(metrics_url=metrics_url, metrics_key=metrics_key)


# -- running and showing ------------------------------------------------------------------------------


def _go(
    config: LoadConfig,
    watched: MonitorOptions,
    began: float,
    out: Path | None,
    csv: Path | None,
    html: Path | None,
    json: bool,
    ray: bool = False,
) -> None:
    """Run, show, write, and end with the run's exit code. Shown first: a full disk must not take the numbers along."""
    from steward.workflows import loadtest

    for path in (out, csv, html):
        if path is not None:
            loadtest.check_writable(path)
    if ray:
        finished = loadtest.run_on_ray(config)
    else:
        with _live(config) as shown:
            finished = loadtest.run_load(config, on_progress=shown, watched=watched, began=began)
    if json:
        show_json(finished.report)
    else:
        show_report(finished.report)
    for path in loadtest.write_reports(finished, out=out, csv=csv, html=html):
        if not json:
            show_lines([f"written: {path}"])
    raise typer.Exit(exit_code(finished))


def exit_code(finished: FinishedRun) -> int:
    report = finished.report
    if not report.answered:
        return 4
    if not report.valid or report.partial:
        return 3
    if report.slo is None:
        return 0
    return {True: 0, False: 1, None: 3}[report.slo_met]


def show_report(report: LoadReport) -> None:
    """The numbers, then what is wrong with them."""
    asked = (
        f"{report.requested_concurrency} users"
        if report.requested_concurrency
        else f"{report.requested_rate:g} req/s asked for, {report.achieved_rate:.2f} sent"
        if report.requested_rate
        else f"{report.achieved_rate:.2f} req/s sent"
    )
    show_lines(
        [
            f"{report.model} at {report.url}",
            f"{report.arrival}, {asked}; {report.duration_s:.1f} s",
            f"{report.sent:,} sent, {report.answered:,} answered, {report.failed:,} failed",
            "",
        ]
    )
    rows = [
        _row("time to first token, ms", report.ttft_ms),
        _row("time per output token, ms", report.tpot_ms),
        _row("gap between events, ms", report.itl_ms),
        _row("end to end, ms", report.e2e_ms),
        _row("client late by, ms", report.client.late_ms),
    ]
    show_table(["", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"], [row for row in rows if row])
    rate = [
        f"{report.answered_rate:.2f} answers/s",
        f"{report.output_tok_s:,.1f} output tokens/s",
        f"{report.input_tok_s:,.1f} input tokens/s",
        f"{report.concurrency_mean:.1f} in flight on average, {report.concurrency_max} at most",
    ]
    if report.goodput_rate is not None:
        rate.append(f"goodput {report.goodput_rate:.2f} answers/s within {report.slo}")
    show_lines(["", "; ".join(rate)])
    if report.slo is not None:
        show_lines([f"{report.slo}: {_met(report.slo_met)}"])
    show_lines(f"  {cause}: {count:,}" for cause, count in report.errors.items())
    show_lines(f"note: {text}" for text in report.warnings)
    if report.valid:
        show_lines(["valid: the client kept to its schedule"])
    else:
        show_lines([f"INVALID: {text}" for text in report.invalid_reasons])


def _met(met: bool | None) -> str:
    return {True: "held", False: "not held", None: "cannot be told from so few requests; run longer"}[met]


def _row(name: str, found: Quantiles) -> list[object] | None:
    if not found.n and found.p50 is None:
        return None
    values = (found.mean, found.p50, found.p90, found.p95, found.p99, found.p999, found.max)
    return [name, *(None if value is None else f"{value:.2f}" for value in values)]


@contextmanager
def _live(config: LoadConfig) -> Iterator[OnProgress]:
    """A few lines on a terminal's standard error that follow the run; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    history: list[float] = []
    with Live(console=console, transient=True, refresh_per_second=4) as live:

        def show(progress: Sequence[SenderProgress]) -> None:
            live.update(_picture(config, progress, history))

        yield show


def _picture(config: LoadConfig, progress: Sequence[SenderProgress], history: list[float]) -> str:
    """Sent, answered, failed, in flight; tokens a second; the last minute of TTFT medians as a row of bars."""
    at = max(item.at_s for item in progress)
    firsts = sorted(value for item in progress for value in item.ttft_ms)
    if firsts:
        history.append(firsts[len(firsts) // 2])
        del history[:-60]
    end = f" of {config.warmup_s + config.duration_s:.0f}" if config.duration_s else ""
    sent, answered, failed, flying, tokens = (
        sum(getattr(item, name) for item in progress)
        for name in ("sent", "answered", "failed", "in_flight", "output_tokens")
    )
    late = max(item.late_ms for item in progress)
    lines = [
        f"{at:6.1f}{end} s   {sent:,} sent   {answered:,} answered   {failed:,} failed   {flying:,} in flight",
        f"{tokens / max(at, 1e-9):10,.0f} output tokens/s   client late by {late:.1f} ms at most",
    ]
    if history:
        lines.append(f"time to first token, p50 {history[-1]:.0f} ms  {bars(history)}")
    return "\n".join(lines)


def bars(values: Sequence[float]) -> str:
    """
    >>> bars([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(7, round(7 * value / top))] for value in values)


def _progress_printer(json: bool) -> Any:
    """Lines of progress, on standard error; none beside JSON."""
    return (lambda line: None) if json else (lambda line: print(line, file=sys.stderr, flush=True))


def _numbers(text: str | None, option: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        found = [0.0]
    if any(value <= 0 for value in found):
        raise InputError(f"{option} {text!r}: expected numbers above 0 with commas, such as 1,2,4")
    return found


def _digits(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


def _word(saturated: bool, valid: bool) -> str:
    return "INVALID" if not valid else "saturated" if saturated else ""
