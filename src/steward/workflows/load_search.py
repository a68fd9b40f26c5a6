"""Journeys of several load tests: the highest rate that holds, a sweep, a comparison, and the client's own test."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.load_report import read_load_report
from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.ipc import SenderProgress
from steward.workflows.loadtest import require_extra, run_load

if TYPE_CHECKING:
    from steward.loadtest.compare import LoadComparison
    from steward.loadtest.objective import Limit
    from steward.loadtest.search import FindMax, Sweep, SweepPoint, Trial
    from steward.loadtest.selftest import SelfTest, SelfTestStep

OnLine = Callable[[str], None]


def find_max(
    config: LoadConfig,
    *,
    trial_s: float = 20.0,
    start: float | None = None,
    highest: float = 1e6,
    tolerance: float = 0.02,
    on_line: OnLine = lambda line: None,
) -> FindMax:
    """The highest rate of `config.arrival` that holds `config.slo`; the rate that the arrival carries is not used.

    :raises InputError: no objective, or a closed loop
    :raises Unavailable: the server does not answer at all
    """
    from steward.loadtest import objective, search

    require_extra()
    if config.slo is None or config.arrival.kind not in ("constant", "poisson", "gamma"):
        raise InputError('find-max needs --slo, such as "ttft_p95<500ms", and arrivals constant, poisson or gamma')
    limits = objective.parse_objective(config.slo)
    alone_s = _measure_single_request_s(config)
    trials: list[Trial] = []
    reason, verdict = "", "found"
    lowest = 0.2 / alone_s
    rate = search.choose_next_rate(trials, start or 1 / alone_s, highest, tolerance)
    while rate is not None:
        trial = _run_trial(config, rate, trial_s, limits)
        if trial.answer == "unclear" or not trial.valid:  # once more, twice as long: chance, or a busy moment
            on_line(_format_trial(trial))
            trial = search.resolve_unclear(_run_trial(config, rate, 2 * trial_s, limits))
        trials.append(trial)
        on_line(_format_trial(trial))
        if not trial.valid and trial.answer == "fails":
            verdict, reason = "client_limit", trial.why
            trials[-1] = msgspec.structs.replace(trial, answer="unclear")
            break
        if trial.answer == "fails":
            _wait_until_idle(config, alone_s)
        rate = search.choose_next_rate(trials, rate, highest, tolerance, lowest)
    low, high = search.find_bracket(trials)
    if verdict == "found" and low is None:
        verdict, reason = "not_even_the_lowest", f"{min(t.rate for t in trials):.4g} requests a second did not hold"
    elif verdict == "found" and high is None:
        verdict, reason = "no_limit_found", f"the highest rate allowed, {highest:g}, held"
    return search.FindMax(
        slo=config.slo,
        rate=low,
        fails_at=high,
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,
        trials=tuple(trials),
        model=config.model,
        url=config.url,
        arrival=config.arrival.kind,
    )


def _run_trial(config: LoadConfig, rate: float, trial_s: float, limits: tuple[Limit, ...]) -> Trial:
    """One rate for a while: fails at once where the server falls hopelessly behind."""
    from steward.loadtest import measure, search, slo
    from steward.loadtest.statistics import is_growing

    patience = {limit.metric: limit.limit_ms for limit in limits}.get("ttft")
    hopeless = [0]

    def shown(progress: Sequence[SenderProgress]) -> str | None:
        firsts = sorted(value for item in progress for value in item.ttft_ms)
        if max(item.at_s for item in progress) < config.warmup_s + 1:
            return None
        if patience is not None and len(firsts) >= 3 and firsts[len(firsts) // 2] > 3 * patience:
            hopeless[0] += 1
        over = sum(item.failed for item in progress), sum(item.answered for item in progress)
        return "hopeless" if hopeless[0] >= 2 * config.processes or (over[0] > 20 and over[0] > over[1]) else None

    duration = search.choose_trial_s(rate, trial_s)
    asked = msgspec.structs.replace(
        config,
        arrival=msgspec.structs.replace(config.arrival, rate=rate),
        duration_s=duration,
        requests=None,
        drain_s=min(config.drain_s, max(5.0, duration)),
    )
    finished = run_load(asked, on_progress=shown)
    report = finished.report
    if report.partial and "hopeless" not in " ".join(report.warnings):
        raise KeyboardInterrupt
    rows = measure.read_records(finished.results)
    rows = rows[rows["intended"] >= config.warmup_s]
    decided = tuple(
        slo.judge_limit(limit, measure.values_with_failures_ms(rows, limit.metric, asked)) for limit in limits
    )
    answer, why = (
        slo.combine_answers(decided),
        "; ".join(f"{term.term}: {term.share_over:.1%} over, {term.allowed:.1%} allowed" for term in decided),
    )
    ok = rows[rows["cause"] == 0]
    if report.partial:
        answer, why = "fails", f"the server fell behind after {report.duration_s:.1f} s"
    elif is_growing(measure.values_ms(ok, "e2e", asked)):
        answer, why = "fails", f"the queue was still growing at the end; {why}"
    return search.Trial(
        rate=rate,
        answer=answer,
        why=why if report.valid else f"{'; '.join(report.invalid_reasons)}",
        answered_rate=_rate_answered_in_time(rows, duration + config.warmup_s, config.warmup_s),
        terms=decided,
        ttft_p95_ms=report.ttft_ms.p95,
        tpot_p95_ms=report.tpot_ms.p95,
        sent=report.sent,
        valid=report.valid or report.partial or not report.answered,
        output_tok_s=report.output_tok_s,
        input_tok_s=report.input_tok_s,
    )


def _rate_answered_in_time(rows: Any, until_s: float, since_s: float) -> float:
    """Answers a second while requests were sent, without the drain after it: what an overloaded server gives."""
    ends = rows["intended"] + rows["end"]
    last = min(until_s, float(ends.max())) if len(rows) else until_s
    done = int(((rows["cause"] == 0) & (ends <= last)).sum())
    return done / max(1e-9, last - since_s)


def _measure_single_request_s(config: LoadConfig) -> float:
    """Seconds that a request takes when it is the only one. :raises Unavailable: none is answered"""
    report = run_load(_single_user_config(config, 5)).report
    if report.e2e_ms.p50 is None:
        what = ", ".join(f"{cause}: {count}" for cause, count in report.errors.items())
        raise Unavailable(f"{config.url}: none of 5 requests was answered ({what}); try `steward load run` with one")
    return max(1e-3, report.e2e_ms.p50 / 1000)


def _single_user_config(config: LoadConfig, requests: int) -> LoadConfig:
    return msgspec.structs.replace(
        config, arrival=Arrival(kind="concurrency", concurrency=1), requests=requests, duration_s=None,
        warmup_s=0.0, processes=1, slo=None, turns=1,
    )  # fmt: skip


def _wait_until_idle(config: LoadConfig, alone_s: float) -> None:
    """Until the server answers about as fast as when idle: what one trial left in its queue must not count for the
    next. Not for ever: at most a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        report = run_load(_single_user_config(config, 2)).report
        if report.e2e_ms.p50 is not None and report.e2e_ms.p50 < 2000 * alone_s + 20:
            return
        time.sleep(0.5)


def _format_trial(trial: Trial) -> str:
    return f"{trial.rate:10.4g} req/s  {trial.answer:8}{trial.why}"


def sweep(
    config: LoadConfig,
    *,
    rates: Sequence[float] = (),
    users: Sequence[int] = (),
    step_s: float = 20.0,
    most: int = 10,
    on_line: OnLine = lambda line: None,
) -> Sweep:
    """Runs at the rates or numbers of users given; without any, at doubling rates until the server is saturated.

    :raises Unavailable: the server does not answer
    """
    from steward.loadtest import measure, search
    from steward.loadtest.statistics import is_growing

    require_extra()
    points: list[SweepPoint] = []
    notes: list[str] = []
    waiting = [Arrival(kind="concurrency", concurrency=count) for count in users]
    waiting += [msgspec.structs.replace(config.arrival, rate=rate) for rate in rates]
    start, automatic = 0.0, not waiting
    if automatic:
        start = 1 / _measure_single_request_s(config)
        waiting = [msgspec.structs.replace(config.arrival, rate=start)]
    while waiting:
        arrival = waiting.pop(0)
        asked = msgspec.structs.replace(
            config, arrival=arrival, duration_s=step_s, requests=None, processes=min(
                config.processes, arrival.concurrency or config.processes
            ),
        )  # fmt: skip
        finished = run_load(asked)
        rows = measure.read_records(finished.results)
        open_loop = arrival.kind != "concurrency"
        growing = open_loop and is_growing(measure.values_ms(rows[rows["cause"] == 0], "e2e", asked))
        points.append(search.make_sweep_point(finished.report, growing))
        on_line(_sweep_line(points[-1]))
        if finished.report.partial:
            notes.append("interrupted: the sweep is partial")
            break
        if not finished.report.valid:
            notes.append(f"{_load_of(points[-1])}: {'; '.join(finished.report.invalid_reasons)}")
            if automatic:
                break
        if automatic:
            rate = search.choose_next_sweep_rate(points, start, most)
            waiting = [] if rate is None else [msgspec.structs.replace(config.arrival, rate=rate)]
    kind = "concurrency" if users else config.arrival.kind
    return search.summarize_sweep(config.model, config.url, kind, points, notes)


def _load_of(point: SweepPoint) -> str:
    return f"{point.concurrency} users" if point.concurrency else f"{point.rate:.4g} req/s"


def _sweep_line(point: SweepPoint) -> str:
    ttft = "–" if point.ttft_p95_ms is None else f"{point.ttft_p95_ms:.0f} ms"
    return (
        f"{_load_of(point):>14}: {point.answered_rate:.4g} answers/s, {point.output_tok_s:,.0f} output tokens/s, "
        f"first token p95 {ttft}{', saturated' if point.saturated else ''}{'' if point.valid else ', INVALID'}"
    )


def compare_files(baseline: Path, candidate: Path, margin: float, metrics: Sequence[str]) -> LoadComparison:
    """:raises InputError: no load report, or no such metric"""
    require_extra()
    from steward.loadtest.compare import DEFAULT, compare_reports

    return compare_reports(read_load_report(baseline), read_load_report(candidate), margin, tuple(metrics) or DEFAULT)


def selftest(
    *,
    rates: Sequence[float] = (),
    step_s: float = 3.0,
    processes: int = 1,
    on_step: Callable[[SelfTestStep], None] = lambda s: None,
) -> SelfTest:
    """Rates upwards until one is not good, against a server of known timing in a process of its own, which gets the
    cores that this process may not use where there are such.

    :raises Unavailable: the server did not start
    """
    require_extra()
    import urllib.request

    from steward.loadtest import selftest as own
    from steward.loadtest.echo import EchoTiming

    timing = EchoTiming(first_ms=own.FIRST_MS, gap_ms=own.GAP_MS, tokens=own.TOKENS)
    every = set(range(os.cpu_count() or 1))
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else every  # not on macOS
    others = every - mine
    command = [sys.executable, "-m", "steward.processes.echo", msgspec.json.encode(timing).decode(), "0"]
    command += [",".join(map(str, sorted(others)))] if others else []
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdout is not None and server.stdin is not None
    steps: list[SelfTestStep] = []
    start_s = math.inf
    try:
        port = server.stdout.readline().strip()
        if not port:
            raise Unavailable(f"the echo server ended with {server.wait()}; its standard error says why")
        for rate in rates or own.RATES:
            config = LoadConfig(
                url=f"http://127.0.0.1:{port}", model="echo", arrival=Arrival(rate=rate), duration_s=step_s,
                warmup_s=min(1.0, step_s / 3), input_tokens="64", output_tokens=str(own.TOKENS), processes=processes,
                seed=int(rate),
            )  # fmt: skip
            urllib.request.urlopen(f"http://127.0.0.1:{port}/lateness").close()
            finished = run_load(config)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/lateness") as answer:
                late = msgspec.json.decode(answer.read(), type=dict[str, float])
            worst = max((result.stats.error_ms for result in finished.results), key=lambda error: error[3:4])
            steps.append(own.grade_step(finished.report, rate, worst, late))
            start_s = min(start_s, min(result.stats.ready_s for result in finished.results))
            on_step(steps[-1])
            if not steps[-1].good and not rates:
                break
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    good = own.find_good_rate(steps)
    return own.SelfTest(
        good_up_to=good,
        output_tok_s=(good or 0.0) * own.TOKENS,
        processes=processes,
        cores=len(mine),
        start_s=start_s,
        steps=tuple(steps),
        timing=timing,
    )
