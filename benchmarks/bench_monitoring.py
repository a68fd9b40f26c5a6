"""How often the default rules cry wolf, and how soon they see what is wrong: simulated months at three rates.

    python benchmarks/bench_monitoring.py [--seeds 20] [--days 30] [--rates 60/h 1/s 50/s]

Healthy months have a daily and a weekly season, a rate of failures and a latency that wander, and two models. The
simulated minutes are sums as the keeper rolls them up; `--check-events` shows on one day that events give the same.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steward.adapters.stores.database import insert_rows
from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import series
from steward.core.histogram import encode_buckets, observe
from steward.core.minutes import COLUMNS, COUNTS, LEVELS, is_failure
from steward.core.records import Admitted, Settled
from steward.core.series import HISTOGRAMS, RESOLUTIONS, SUMS, start_of
from steward.monitoring.backtest import collect_minutes, report
from steward.monitoring.events import Event
from steward.monitoring.metric_answer import answer_query, choose_resolution
from steward.monitoring.metric_query import parse_query
from steward.monitoring.rules import DEFAULT_RULES
from steward.monitoring.watch import Minute

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


def tell(line: str) -> None:
    print(line, flush=True)


def healthy(seeds: int, days: int, rates: list[str]) -> None:
    tell(f"\nHealthy months: {seeds} of {days} days each, default rules")
    tell(f"{'rate':>6} {'pages':>6} {'at most a month':>16} {'tickets a month':>16} {'seconds':>8}  tickets by rule")
    for rate in rates:
        pages, tickets, began, by_rule = 0, 0, time.perf_counter(), {}
        for seed in range(seeds):
            result = report(DEFAULT_RULES, simulate(seed, RATES[rate], days))
            pages, tickets = pages + result.pages, tickets + result.tickets
            for rule in result.rules:
                if rule.firings:
                    by_rule[rule.name] = by_rule.get(rule.name, 0) + len(rule.firings)
                    for firing in rule.firings:
                        print(f"    seed {seed} {rule.name} {firing.scopes}: {firing.evidence}", file=sys.stderr)
        months = seeds * days / 30
        # the upper end of a one-sided 95 % interval of a Poisson rate: 3.0 / n where nothing was seen
        most = (pages + 1.645 * math.sqrt(pages) + 3.0 if pages else 3.0) / months
        spent = time.perf_counter() - began
        tell(f"{rate:>6} {pages:>6} {most:>16.2f} {tickets / months:>16.2f} {spent:>8.0f}  {by_rule or ''}")


def detection(seeds: int, rates: list[str]) -> None:
    tell("\nTime from a fault to its first alert, hours: median of the seeds (how many saw it within 7 days)")
    tell(f"{'fault':<28}" + "".join(f"{rate:>16}" for rate in rates))
    start = 14 * 1440 + 9 * 60
    for fault in faults(start):
        cells = []
        for rate in rates:
            waits = []
            for seed in range(seeds):
                result = report(DEFAULT_RULES, simulate(100 + seed, RATES[rate], 21 + 1, fault))
                begins = [
                    firing.start
                    for rule in result.rules
                    if rule.name in fault.rules
                    for firing in rule.firings
                    if firing.start >= 60.0 * (START + fault.start)
                ]
                if begins:
                    waits.append((min(begins) - 60.0 * (START + fault.start)) / 3600)
            cells.append(f"{np.median(waits):.2f} ({len(waits)}/{seeds})" if waits else f"- (0/{seeds})")
        tell(f"{fault.name:<28}" + "".join(f"{cell:>16}" for cell in cells))


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


def measure_series(rows: int = 50_000, models: int = 4, keys: int = 5) -> None:
    """How fast the store takes requests in with their series, on one core, and how fast questions are answered."""
    rng, names = np.random.default_rng(1), [(f"m{number % models}", f"k{number % keys}") for number in range(rows)]
    start = 60.0 * START
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/s.db")
        store.migrate()
        durations = rng.lognormal(0.0, 0.6, rows)
        began = time.process_time()
        for first in range(0, rows, 1000):  # as the keeper meets them at 5,000 a second
            records: list[Admitted | Settled] = []
            for number in range(first, first + 1000):
                at, (model, key) = start + number / 5000.0, names[number]
                records.append(
                    Admitted(request_id=f"r{number}", at=at, key_id=key, project="p", endpoint="/v1/chat/completions",
                             route="r", streamed=True)
                )  # fmt: skip
                records.append(
                    Settled(request_id=f"r{number}", at=at, outcome="ok", status=200, model=model, input_tokens=300,
                            output_tokens=100, usd=0.001, ttft_s=float(durations[number]) / 5,
                            duration_s=float(durations[number]))
                )  # fmt: skip
            store.ledger.drain("w", "s", first + 1, records)
        took = time.process_time() - began
        tell(
            f"\nRequests into the store with minutes and series (SQLite, {models * keys} groups): {rows / took:,.0f}/s"
        )
        fill_days(store, 90, models, keys)
        for text, since_s in (("ttft p95 by model", 90 * 86400), ("total p99 by key", 7 * 86400)):
            began, (groups, resolution_s) = time.process_time(), ask(store, text, start + 91 * 86400.0, since_s)
            tell(
                f"{text} over {since_s // 86400} days, from steps of {resolution_s} s: "
                f"{1000 * (time.process_time() - began):.0f} ms of processor time, {groups} groups"
            )
        tell(f"Store after 90 days at 10 requests/s: {Path(folder, 's.db').stat().st_size / 2**20:.0f} MiB of series")
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
    rows = store.series.read(resolution_s, begin, int(now), tenant=None)
    return len(answer_query(parse_query(text), rows, resolution_s, begin, now, {}).groups), resolution_s


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rates", nargs="+", default=list(RATES), choices=list(RATES))
    parser.add_argument("--fault-seeds", type=int, default=5)
    parser.add_argument("--only", choices=("healthy", "faults", "events", "series"))
    given = parser.parse_args(argv)
    parts: dict[str, Callable[[], None]] = {
        "healthy": lambda: healthy(given.seeds, given.days, given.rates),
        "faults": lambda: detection(given.fault_seeds, given.rates),
        "events": check_events,
        "series": measure_series,
    }
    for name, part in parts.items():
        if given.only in (None, name):
            part()


if __name__ == "__main__":
    main()
