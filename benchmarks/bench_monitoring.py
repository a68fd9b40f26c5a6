"""What monitoring costs and reaches, how often its rules cry wolf, and how soon they see what is wrong.

    make bench-monitoring                                   # everything
    python benchmarks/bench_monitoring.py --only drift queries
    python benchmarks/bench_monitoring.py --only healthy --seeds 20 --days 30 --rates 60/h 1/s 50/s

Healthy months have a daily and a weekly season, a rate of failures and a latency that wander, and two models. The
simulated minutes are sums as the keeper rolls them up; the part `events` shows on one day that events give the same.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from monitoring_parts import PARTS, tell

from steward.adapters.stores.database import insert_rows
from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import series
from steward.core.histogram import encode_buckets, observe
from steward.core.minutes import COLUMNS, COUNTS, LEVELS, is_failure
from steward.core.series import HISTOGRAMS, RESOLUTIONS, SUMS, start_of
from steward.monitoring.backtest import collect_minutes, report
from steward.monitoring.events import Event
from steward.monitoring.metric_answer import answer_query, choose_resolution
from steward.monitoring.metric_query import parse_query
from steward.monitoring.rules import DEFAULT_RULES
from steward.monitoring.watch import Minute

HERE = Path(__file__).resolve().parent
Task = TypeVar("Task")
Done = TypeVar("Done")
START = 29_340_000  # a minute, Monday 2025-10-13 16:00 UTC
RATES = {"60/h": 1.0, "1/s": 60.0, "50/s": 3000.0}  # requests a minute
GROUPS = {("small", "assistant"): 0.7, ("large", "assistant"): 0.1, ("large", "writer"): 0.2}
LEVEL = {  # median and standard deviation of the logarithm
    "latency_ms": (900.0, 0.6),
    "ttft_ms": (180.0, 0.5),
    "input_tokens": (350.0, 0.9),
    "output_tokens": (180.0, 0.8),
    "prompt_chars": (1400.0, 0.9),
    "usd": (0.0008, 0.9),
}


@dataclass
class Fault:
    """What is changed from minute `start` on."""

    name: str
    start: int
    failure_rate: float | None = None
    latency: float = 1.0
    satisfied: float | None = None
    length: float = 1.0
    traffic: float = 1.0
    model: str | None = None  # only this one
    rules: tuple[str, ...] = ()  # any of which is expected to see it


def wander(rng: np.random.Generator, minutes: int, sd: float, hours: float = 6.0) -> np.ndarray:
    """A stationary AR(1) process by the minute, shape (minutes,)."""
    keep = math.exp(-1.0 / (60.0 * hours))
    steps = rng.normal(0.0, sd * math.sqrt(1 - keep * keep), minutes)
    steps[0] = rng.normal(0.0, sd)
    out = np.empty(minutes)
    level = 0.0
    for index, step in enumerate(steps):
        level = keep * level + step if index else step
        out[index] = level
    return out


def simulate(seed: int, per_minute: float, days: int, fault: Fault | None = None) -> dict[int, Minute]:
    """Minutes of `days` days; `per_minute` is the mean rate of requests."""
    rng = np.random.default_rng(seed)
    count = days * 1440
    minute = np.arange(count)
    of_day = (START + minute) % 1440 / 1440
    weekday = (START + minute) // 1440 % 7  # 0 is a Thursday
    season = (1 + 0.6 * np.sin(2 * np.pi * (of_day - 0.4))) * np.where((weekday == 2) | (weekday == 3), 0.5, 1.0)
    season /= season.mean()
    failing = 0.004 * np.exp(wander(rng, count, 0.2))
    slower = wander(rng, count, 0.05) + 0.1 * (season - 1)
    result: dict[int, Minute] = {START + int(index): {} for index in minute}
    for group, share in GROUPS.items():
        hit = fault is not None and fault.model in (None, group[0])
        after = (minute >= fault.start) & hit if fault is not None else np.zeros(count, bool)
        rate = per_minute * share * season * np.where(after, fault.traffic if fault else 1.0, 1.0)
        requests = rng.poisson(rate)
        wrong = fault.failure_rate if fault is not None else None
        failed = rng.binomial(requests, np.where(after, wrong, failing) if wrong is not None else failing)
        good = requests - failed
        refused = rng.binomial(requests, 0.02)
        rated = rng.binomial(good, 0.02)
        happy = fault.satisfied if fault is not None else None
        satisfied = rng.binomial(rated, np.where(after, happy, 0.8) if happy is not None else np.full(count, 0.8))
        columns = {
            "requests": requests, "judged": requests, "failed": failed, "asked": requests, "refused": refused,
            "rated": rated, "satisfied": satisfied, "score": 2 * satisfied - rated, "score_squared": rated,
        }  # fmt: skip
        for level in LEVELS:
            median, sd = LEVEL[level]
            mean = math.log(median) + (slower if level in ("latency_ms", "ttft_ms") else 0.0)
            if fault is not None and level in ("latency_ms", "ttft_ms"):
                mean = mean + np.where(after, math.log(fault.latency), 0.0)
            if fault is not None and level == "output_tokens":
                mean = mean + np.where(after, math.log(fault.length), 0.0)
            total = rng.normal(0.0, 1.0, count) * np.sqrt(good) * sd + good * mean
            spread = sd * sd * rng.chisquare(np.maximum(good - 1, 1)) * (good > 1)
            columns |= {
                f"{level}_n": good,
                f"{level}_log": total,
                f"{level}_log_squared": spread + np.where(good > 0, total * total / np.maximum(good, 1), 0.0),
            }
        table = np.column_stack([columns[name] for name in COLUMNS]).astype(float)
        for index in np.flatnonzero(requests):
            result[START + int(index)][group] = table[index].tolist()
    return result


def faults(start: int) -> list[Fault]:
    return [
        Fault("5 % failures", start, failure_rate=0.05, rules=("failures-up", "error-burn", "error-burn-slow")),
        Fault("latency x 1.5", start, latency=1.5, rules=("latency-up", "first-token-up")),
        Fault("satisfaction 80 -> 70 %", start, satisfied=0.7, rules=("satisfaction-down",)),
        Fault("dead upstream (one model)", start, failure_rate=1.0, model="large", rules=("error-burn", "failures-up")),
        Fault("traffic stops", start, traffic=0.0, rules=("traffic-gone",)),
        Fault("one model's traffic stops", start, traffic=0.0, model="large", rules=("traffic-gone",)),
        Fault("answers 1.4 x as long", start, length=1.4, rules=("answer-length-shift",)),
    ]


def run_healthy(task: tuple[str, int, int]) -> tuple[str, int, int, list[str]]:
    """Rate, pages, tickets and what fired in one healthy month."""
    rate, seed, days = task
    result = report(DEFAULT_RULES, simulate(seed, RATES[rate], days))
    fired = [
        f"    {rate} seed {seed} {rule.name} {firing.scopes}: {firing.evidence}"
        for rule in result.rules
        for firing in rule.firings
    ]
    return rate, result.pages, result.tickets, fired


def healthy(seeds: int, days: int, rates: list[str], jobs: int) -> None:
    tell(f"\nHealthy months: {seeds} of {days} days each, default rules")
    tell(f"{'rate':>6} {'pages':>6} {'at most a month (95 %)':>23} {'tickets a month':>16}")
    tasks = [(rate, seed, days) for rate in rates for seed in range(seeds)]
    done = run_all(run_healthy, tasks, jobs)
    months = seeds * days / 30
    for rate in rates:
        own = [one for one in done if one[0] == rate]
        pages, tickets = sum(one[1] for one in own), sum(one[2] for one in own)
        tell(f"{rate:>6} {pages:>6} {bound_rate(pages) / months:>23.3f} {tickets / months:>16.2f}")
    pages = sum(one[1] for one in done)
    tell(f"{'all':>6} {pages:>6} {bound_rate(pages) / (months * len(rates)):>23.3f}")


def run_all(work: Callable[[Task], Done], tasks: list[Task], jobs: int) -> list[Done]:
    """In processes; each result also goes to standard error as it comes, so that a run that is cut off is not lost."""
    done = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for result in pool.imap_unordered(work, tasks):
            done.append(result)
            print(f"    {len(done)} of {len(tasks)}: {result}", file=sys.stderr, flush=True)
    return done


def bound_rate(count: int) -> float:
    """The upper end of the one-sided 95 % interval of a Poisson rate: 3.0 where nothing was seen."""
    return count + 1.645 * math.sqrt(count) + 3.0 if count else 3.0


FAULT_START = 14 * 1440 + 9 * 60


def run_fault(task: tuple[str, int, int]) -> tuple[str, int, float | None, bool]:
    """Rate, number of the fault, hours to its first alert (None: none in 7 days), and whether a rule could judge."""
    rate, number, seed = task
    fault = faults(FAULT_START)[number]
    result = report(DEFAULT_RULES, simulate(100 + seed, RATES[rate], 22, fault))
    at = 60.0 * (START + FAULT_START)
    begins = [
        firing.start
        for rule in result.rules
        if rule.name in fault.rules
        for firing in rule.firings
        if firing.start >= at
    ]
    unjudged = {one.rule for one in result.not_judged}
    return rate, number, (min(begins) - at) / 3600 if begins else None, not unjudged.issuperset(fault.rules)


def detection(seeds: int, rates: list[str], jobs: int) -> None:
    tell("\nTime from a fault to its first alert, hours: median of the seeds (how many saw it within 7 days)")
    tell(f"{'fault':<28}" + "".join(f"{rate:>28}" for rate in rates))
    tasks = [(rate, number, seed) for number in range(len(faults(0))) for rate in rates for seed in range(seeds)]
    done = run_all(run_fault, tasks, jobs)
    for number, fault in enumerate(faults(0)):
        cells = []
        for rate in rates:
            own = [one for one in done if one[:2] == (rate, number)]
            waits = [one[2] for one in own if one[2] is not None]
            if waits:
                cells.append(f"{np.median(waits):.2f} ({len(waits)}/{seeds})")
            else:
                judged = any(one[3] for one in own)
                cells.append(f"not seen (0/{seeds})" if judged else "cannot be judged")
        tell(f"{fault.name:<28}" + "".join(f"{cell:>28}" for cell in cells))


def check_events() -> None:
    """The same day as events and as minutes gives the same sums."""
    rng, events = np.random.default_rng(7), []
    for index in range(86_400):
        failed = rng.random() < 0.004
        events.append(
            Event(
                at=60.0 * START + index,
                model="small",
                route="assistant",
                outcome="upstream_error" if failed else "ok",
                latency_ms=float(rng.lognormal(math.log(900), 0.6)),
                score=1.0 if rng.random() < 0.8 else -1.0,
            )
        )
    minutes = collect_minutes(events)
    total = np.array([sums for minute in minutes.values() for sums in minute.values()]).sum(axis=0)
    seen = dict(zip(COLUMNS, total, strict=True))
    good = [event for event in events if not is_failure(event.outcome, event.status)]
    assert seen["requests"] == len(events) and seen["failed"] == len(events) - len(good)
    assert math.isclose(seen["latency_ms_log"], sum(math.log(e.latency_ms or 1) for e in good), rel_tol=1e-9)
    tell(f"\nOne day of {len(events)} events and its minutes: {len(COUNTS)} counts and {len(LEVELS)} levels agree.")


def measure_queries(models: int = 4, keys: int = 5) -> None:
    """How fast questions over 90 days are answered, and how large the store then is."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/s.db")
        store.migrate()
        fill_days(store, 90, models, keys)
        start = 60.0 * START
        for text, since_s in (
            ("ttft p95 by model", 90 * 86400),
            ("error rate by route", 90 * 86400),
            ("satisfaction by model", 90 * 86400),
            ("usd by key", 90 * 86400),
            ("total p99 by key", 7 * 86400),
            ("ttft p50 by model", 6 * 3600),
        ):
            walls, spent = [], []
            for _ in range(5):
                began, cpu = time.perf_counter(), time.process_time()
                groups, resolution_s = ask(store, text, start + 91 * 86400.0, since_s)
                walls.append(1000 * (time.perf_counter() - began))
                spent.append(1000 * (time.process_time() - cpu))
            tell(
                f"{text} over {since_s / 86400:g} days, from steps of {resolution_s} s: "
                f"{sorted(spent)[2]:.0f} ms of processor time, "
                f"{sorted(walls)[2]:.0f} ms in all (medians of 5), {groups} groups"
            )
        size = Path(folder, "s.db").stat().st_size / 2**20
        tell(f"Store after 90 days at 10 requests/s, {models * keys} groups, rolled up: {size:.0f} MiB of series")
        store.close()


def fill_days(store: SqlStore, days: int, models: int, keys: int) -> None:
    """Hours and days of 10 requests a second, as they would have been added up; minutes of the last eight days."""
    rows = []
    for resolution_s, kept in ((60, 8), (3600, days), (86400, days)):
        buckets: dict[int, int] = {}
        for value in np.random.default_rng(2).lognormal(0.0, 0.6, 10 * resolution_s // (models * keys)):
            observe(buckets, float(value))
        encoded = encode_buckets(buckets)
        first = int(60 * START // 86400) * 86400 + 86400 + (days - kept) * 86400
        for at in range(first, first + kept * 86400, resolution_s):
            for model in range(models):
                for key in range(keys):
                    sums = dict.fromkeys(SUMS, 10.0 * resolution_s / (models * keys))
                    place = {"resolution_s": resolution_s, "start": at, "tenant": "default", "model": f"m{model}"}
                    rows.append(place | {"route": "r", "key_id": f"k{key}"} | sums | dict.fromkeys(HISTOGRAMS, encoded))
    with store.database.write() as connection:
        insert_rows(connection, series, rows)


def ask(store: SqlStore, text: str, now: float, since_s: float) -> tuple[int, int]:
    first = {resolution_s: store.series.first(resolution_s, tenant=None) for resolution_s in RESOLUTIONS}
    resolution_s = choose_resolution(now - since_s, now, first)
    begin = start_of(now - since_s, resolution_s)
    query = parse_query(text)
    wanted = query.metric.columns if query.metric.kind == "histogram" else ()
    rows = store.series.read(resolution_s, begin, int(now), tenant=None, histograms=wanted)
    return len(answer_query(query, rows, resolution_s, begin, now, {}).groups), resolution_s


def describe_machine() -> str:
    """Command, commit and machine, for the record."""
    command = " ".join(["python", *sys.argv])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "an unknown processor",
    )
    return f"{command} at {commit.strip()}; {os.cpu_count()} cores of {model}, load {os.getloadavg()[0]:.1f}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rates", nargs="+", default=list(RATES), choices=list(RATES))
    parser.add_argument("--fault-seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes of the simulations")
    parser.add_argument("--only", nargs="+", choices=("events", "queries", "healthy", "faults", *PARTS))
    given = parser.parse_args(argv)
    parts: dict[str, Callable[[], None]] = {
        "events": check_events,
        "queries": measure_queries,
        **{name: part for name, (_, part) in PARTS.items()},
        "healthy": lambda: healthy(given.seeds, given.days, given.rates, given.jobs),
        "faults": lambda: detection(given.fault_seeds, given.rates, given.jobs),
    }
    tell(describe_machine())
    for name, part in parts.items():
        if given.only is None or name in given.only:
            if name in PARTS:
                tell(f"\n{PARTS[name][0]}")
            began = time.perf_counter()
            part()
            tell(f"({name}: {time.perf_counter() - began:.0f} s)")


if __name__ == "__main__":
    main()
