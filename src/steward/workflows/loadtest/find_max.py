"""Find the highest rate that meets an objective, by trials of rates one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from steward.core.errors import InputError
from steward.core.load_report import LoadReport
from steward.loadtest.config import LoadConfig
from steward.loadtest.ipc import SenderProgress
from steward.loadtest.objective import LATENCIES, Limit, parse_objective
from steward.loadtest.response import OK
from steward.loadtest.search import (
    FindMax,
    FindMaxVerdict,
    RateTrial,
    choose_next_rate,
    choose_trial_s,
    conclude,
    find_bracket,
    find_interval,
    resolve_unclear,
)
from steward.loadtest.slo import SloAnswer, TermResult, combine_answers
from steward.loadtest.statistics import is_growing
from steward.loadtest.values import judge, metric_values, read_records
from steward.workflows.loadtest.alone import measure_request_s, wait_until_idle
from steward.workflows.loadtest.run import FinishedRun, require_extra, run_load

OnLine = Callable[[str], None]
_HOPELESS = "hopeless"
GROWTH_HORIZON = 10  # trials: a rise that would not reach the limit in so much time is no growing queue
GROWTH_OF_MEAN = 0.3  # of the mean answer, for objectives without a latency limit


def find_max(
    config: LoadConfig,
    *,
    trial_s: float = 20.0,
    start: float | None = None,
    highest: float = 1e6,
    tolerance: float = 0.02,
    on_line: OnLine = lambda line: None,
) -> FindMax:
    """The highest rate of `config.arrival` that meets `config.slo`; the rate in the arrival is not used.

    An interrupt ends the search with `partial` set and the verdict "interrupted".

    :raises InputError: no objective, or a closed loop
    :raises Unavailable: the server does not answer at all
    """
    require_extra()
    if config.slo is None or config.arrival.kind not in ("constant", "poisson", "gamma"):
        raise InputError('find-max needs --slo, such as "ttft_p95<500ms", and arrivals constant, poisson or gamma')
    limits = parse_objective(config.slo)
    trials: list[RateTrial] = []
    verdict: FindMaxVerdict
    try:
        client_limit = _search(config, limits, trials, trial_s, start, highest, tolerance, on_line)
        verdict, reason = ("client_limit", client_limit) if client_limit else conclude(trials, highest)
    except KeyboardInterrupt:
        verdict, reason = "interrupted", _describe_resume(trials)
    low, high = find_bracket(trials)
    return FindMax(
        slo=config.slo,
        rate=low,
        fails_at=high,
        verdict=verdict,
        reason=reason,
        interval=find_interval(trials),
        trials=tuple(trials),
        model=config.model,
        url=config.url,
        arrival=config.arrival.kind,
        partial=verdict == "interrupted",
    )


def _search(
    config: LoadConfig, limits: tuple[Limit, ...], trials: list[RateTrial], trial_s: float, start: float | None,
    highest: float, tolerance: float, on_line: OnLine,
) -> str:  # fmt: skip
    """Fill `trials`. Returns why the client, and not the server, ended the search; empty if it did not."""
    alone_s = measure_request_s(config)
    first = start or 1 / alone_s
    rate = choose_next_rate(trials, first, highest, tolerance)
    while rate is not None:
        trial = run_trial(config, rate, trial_s, limits)
        if trial.answer == "unclear" or not trial.valid:  # once more, twice as long: chance, or a busy moment
            on_line(format_trial(trial))
            trial = resolve_unclear(run_trial(config, rate, 2 * trial_s, limits))
        by_client = not trial.valid and trial.answer == "fails"
        trials.append(msgspec.structs.replace(trial, answer="unclear") if by_client else trial)
        on_line(format_trial(trial))  # after it is kept: an interrupt may come with the line
        if by_client:
            return trial.why
        if trial.answer == "fails":
            wait_until_idle(config, alone_s)
        rate = choose_next_rate(trials, first, highest, tolerance, lowest=0.2 / alone_s)
    return ""


def _describe_resume(trials: Sequence[RateTrial]) -> str:
    low, high = find_bracket(trials)
    if low is None and high is None:
        return "interrupted before a trial had ended; run the command again"
    done = f"interrupted after {len(trials)} {'trial' if len(trials) == 1 else 'trials'}"
    return f"{done}; continue with --start {low if low is not None else high:.4g}"


def run_trial(config: LoadConfig, rate: float, trial_s: float, limits: tuple[Limit, ...]) -> RateTrial:
    """Try one rate for a while; stop early if the server falls hopelessly behind.

    :raises KeyboardInterrupt: the run was interrupted; a partial trial decides nothing
    """
    duration_s = choose_trial_s(rate, trial_s, [limit.allowed for limit in limits])
    trial_config = msgspec.structs.replace(
        config,
        arrival=msgspec.structs.replace(config.arrival, rate=rate),
        duration_s=duration_s,
        requests=None,
        drain_s=min(config.drain_s, max(5.0, duration_s)),
    )
    finished = run_load(trial_config, on_progress=_make_watcher(config, limits))
    if finished.interrupted:
        raise KeyboardInterrupt
    return _judge_trial(finished, rate, limits)


def _make_watcher(config: LoadConfig, limits: Sequence[Limit]) -> Callable[[Sequence[SenderProgress]], str | None]:
    """Stops a trial whose median TTFT is three times its limit twice in a row, or of which most requests fail."""
    ttft_limit = {limit.metric: limit.bound for limit in limits}.get("ttft")
    behind = 0

    def watch(progress: Sequence[SenderProgress]) -> str | None:
        nonlocal behind
        if max(one.at_s for one in progress) < config.warmup_s + 1:
            return None
        ttft_ms = sorted(value for one in progress for value in one.ttft_ms)
        if ttft_limit is not None and len(ttft_ms) >= 3 and ttft_ms[len(ttft_ms) // 2] > 3 * ttft_limit:
            behind += 1
        failed, answered = sum(one.failed for one in progress), sum(one.answered for one in progress)
        is_hopeless = behind >= 2 * config.processes or (failed > 20 and failed > answered)
        return _HOPELESS if is_hopeless else None

    return watch


def _judge_trial(finished: FinishedRun, rate: float, limits: tuple[Limit, ...]) -> RateTrial:
    report, config = finished.report, finished.config
    rows = read_records(finished.results)
    rows = rows[rows["intended"] >= config.warmup_s]
    terms = judge(rows, limits)
    answer, why = _explain(report, rows, limits, terms)
    return RateTrial(
        rate=rate,
        answer=answer,
        why=why if report.valid or report.partial else "; ".join(report.invalid_reasons),
        answered_rate=rate_answered_in_time(rows, (config.duration_s or 0.0) + config.warmup_s, config.warmup_s),
        terms=terms,
        ttft_p95_ms=report.ttft_ms.p95,
        tpot_p95_ms=report.tpot_ms.p95,
        sent=report.sent,
        valid=report.valid or report.partial or not report.answered,
        output_tok_s=report.output_tok_s,
        input_tok_s=report.input_tok_s,
    )


def _explain(
    report: LoadReport, rows: Any, limits: Sequence[Limit], terms: tuple[TermResult, ...]
) -> tuple[SloAnswer, str]:
    """The answer of a trial and its reason. `rows`: (requests,) of recorder.RECORD."""
    shares = "; ".join(f"{term.term}: {term.share_over:.1%} over, {term.allowed:.1%} allowed" for term in terms)
    if report.partial:
        return "fails", f"the server fell behind after {report.duration_s:.1f} s"
    growing = find_growth(rows[rows["cause"] == OK], limits)
    if growing:
        return "fails", f"{growing}; {shares}"
    return combine_answers(terms), shares


def find_growth(answered: Any, limits: Sequence[Limit]) -> str:
    """What says that the queue was still growing; empty if nothing does. `answered`: (requests,) of recorder.RECORD.

    A rise counts only if it matters: if, going on, it would reach the latency's limit within ten trials; for objectives
    without a latency, if it is more than 30 % of the mean.
    """
    latencies = [limit for limit in limits if limit.metric in LATENCIES and limit.metric != "tpot"]
    for limit in latencies:
        values = metric_values(answered, limit.metric)
        values = values[values == values]  # without NaN
        last_third = values[-(len(values) // 3) :]
        if len(last_third) and is_growing(values, (limit.bound - float(last_third.mean())) / GROWTH_HORIZON):
            return f"{limit.metric} was still rising at the end"
    values = metric_values(answered, "e2e")
    if not latencies and len(values) and is_growing(values, GROWTH_OF_MEAN * float(values.mean())):
        return "the time of an answer was still rising at the end"
    return ""


def rate_answered_in_time(rows: Any, until_s: float, since_s: float) -> float:
    """Answers per second while requests were sent, without the drain: the throughput of an overloaded server.

    `rows`: (requests,) of recorder.RECORD.
    """
    ends = rows["intended"] + rows["end"]
    last = min(until_s, float(ends.max())) if len(rows) else until_s
    done = int(((rows["cause"] == OK) & (ends <= last)).sum())
    return done / (last - since_s) if last > since_s else 0.0


def format_trial(trial: RateTrial) -> str:
    return f"{trial.rate:10.4g} req/s  {trial.answer:8}{trial.why}"
