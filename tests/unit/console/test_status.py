"""The sentence on top of the status page is true."""

from typing import Any

import msgspec
import pytest

from console_client import snapshot
from steward.console.reader import Reader
from steward.console.status import Standing, find_span, gpus, judge_standing, span, view
from steward.core.alerts import Alert
from steward.core.gpus import Gpu, GpuReading, GpuStatus, MigDevice
from steward.core.records import Health, SeriesPoint, Snapshot, Usage
from steward.monitoring.slo import SloStatus

QUIET = snapshot()


def changed(**fields: Any) -> Snapshot:
    return msgspec.structs.replace(QUIET, **fields)


def point(at: float, requests: int, errors: int) -> SeriesPoint:
    nothing = {"output_tokens": 0, "p50_s": None, "p95_s": None, "p99_s": None, "ttft_p50_s": None}
    return SeriesPoint(at=at, requests=requests, errors=errors, **nothing)


def test_all_is_well_where_nothing_is_known_to_be_wrong() -> None:
    assert view(QUIET)["sentence"] == "All systems operational." and view(QUIET)["calm"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"models": (Health(name="big", state="down"), Health(name="small", state="down"))}, "big, small are down."),
        ({"processes": (Health(name="worker-0", state="starting"),)}, "worker-0 is down."),
        ({"config_error": "steward.yaml:3: no"}, "The last configuration change was rejected."),
        (
            {"ledger_lag_s": 61.0},
            "Records have waited outside the store for 1 min 1 s: usage, budgets and alerts lag behind.",
        ),
        ({"gpus": GpuStatus(error="it hangs")}, "The GPUs cannot be read."),
        (
            {"gpus": GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=(Gpu(index=1, error="is lost"),)))},
            "GPU 1 needs attention.",
        ),
        ({"series": (point(0.0, 4, 1), point(30.0, 8, 6))}, "Most requests fail: 7 of 12 in the last 5 minutes."),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], sentence: str) -> None:
    shown = view(changed(**fields))
    assert (shown["sentence"], shown["calm"]) == (sentence, False)


def test_records_may_wait_for_a_minute() -> None:
    assert judge_standing(changed(ledger_lag_s=60.0)).state == "operational"


def test_failures_of_an_hour_ago_and_of_a_minority_are_no_alarm() -> None:
    old = changed(at=4000.0, series=(point(0.0, 5, 5), point(3990.0, 5, 0)))
    assert judge_standing(old).state == judge_standing(changed(series=(point(0.0, 4, 2),))).state == "operational"


def health(**states: Any) -> tuple[Health, ...]:
    return tuple(Health(name=name.replace("_", "-"), state=state) for name, state in states.items())


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"models": health(big="down", small="ok")}, "degraded"),
        ({"models": health(big="down", small="down")}, "down"),
        ({"processes": health(worker_0="down", worker_1="ok")}, "degraded"),
        ({"processes": health(worker_0="down", worker_1="down", keeper="ok")}, "down"),
        ({"processes": health(worker_0="ok", keeper="down")}, "degraded"),
    ],
)
def test_k6_what_still_answers_is_degraded_and_not_down(fields: dict[str, Any], state: str) -> None:
    assert judge_standing(changed(**fields)).state == state


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0 s"), (59.9, "59 s"), (60.0, "1 min 0 s"), (61.0, "1 min 1 s"), (3_599.0, "59 min 59 s"),
     (3_600.0, "1 h 0 min"), (3_720.0, "1 h 2 min"), (86_399.0, "23 h 59 min"), (86_400.0, "1 d 0 h"),
     (200_000.0, "2 d 7 h")],
)  # fmt: skip
def test_a_time_span_has_two_units(seconds: float, shown: str) -> None:
    """200,000 s = 2 days of 86,400 s, and 27,200 s = 7 hours of 3,600 s and some minutes."""
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "named"),
    [(15.0, "15 s"), (60.0, "minute"), (61.0, "1 minutes"), (300.0, "5 minutes"), (3600.0, "hour")],
)
def test_a_bucket_is_named(seconds: float, named: str) -> None:
    assert find_span(seconds) == named


def figures(**fields: Any) -> dict[str, tuple[str, str]]:
    return {name: (value, note) for name, value, note in view(changed(**fields))["figures"]}


def usage(requests: int, errors: int) -> Usage:
    return Usage(requests=requests, input_tokens=12_000, output_tokens=50, usd=0.0, errors=errors)


def test_the_figures_are_those_of_the_period() -> None:
    shown = figures(usage=usage(40, 1), at=160.0, started_at=40.0, series=(point(0.0, 40, 1),) * 5)
    assert shown == {
        "Requests": ("40", "in the last 5 minutes"),
        "Errors": ("2.5 %", "1 request"),  # 1 of 40
        "Slowest p95": ("–", "of any minute"),
        "Output tokens": ("50", "12.0k in"),
    }
    assert view(changed(at=160.0, started_at=40.0))["up_for"] == "2 min 0 s"
    assert figures(usage=usage(40, 2))["Errors"] == ("5.0 %", "2 requests")
    assert figures(usage=usage(0, 0))["Errors"] == ("–", "0 requests")


def test_the_slowest_minute_is_the_greatest_p95() -> None:
    series = tuple(msgspec.structs.replace(point(0.0, 1, 0), p95_s=p95) for p95 in (0.2, None, 0.7, 0.3))
    assert figures(series=series)["Slowest p95"] == ("700 ms", "of any minute")


def test_numbers_and_clocks_of_charts_are_the_readers() -> None:
    series = tuple(msgspec.structs.replace(point(at, 2000, 0), p95_s=1.5) for at in (0.0, 60.0))
    shown = view(changed(series=series, usage=usage(4000, 60)), Reader(zone="Asia/Tokyo", language="de"))
    assert [value for _, value, _ in shown["figures"]] == ["4.000", "1,5 %", "1,5 s", "50"]
    assert ">09:01<" in shown["charts"][0]


def test_the_chart_of_traffic_stacks_what_went_well_and_the_errors() -> None:
    charts = view(changed(series=(point(0.0, 9, 3), point(60.0, 4, 4)), usage=usage(13, 7)))["charts"]
    assert "<td>6</td><td>3</td>" in charts[1] and "<td>0</td><td>4</td>" in charts[1]
    assert view(changed(usage=usage(0, 0)))["charts"] == []


def test_failures_count_for_five_minutes() -> None:
    """At 300 s the point of 0 s is out, that of 1 s is in."""
    assert judge_standing(changed(at=300.0, series=(point(0.0, 5, 5),))).state == "operational"
    assert judge_standing(changed(at=300.0, series=(point(1.0, 5, 5),))).state == "degraded"


@pytest.mark.parametrize(
    ("requests", "errors", "words"),
    [
        (100, 5, "All systems operational."),  # 5 % are allowed
        (40, 5, "12.5 % of requests fail: 5 of 40 in the last 5 minutes."),
        (10, 5, "50.0 % of requests fail: 5 of 10 in the last 5 minutes."),
        (9, 5, "Most requests fail: 5 of 9 in the last 5 minutes."),
        (4, 2, "All systems operational."),  # two failures say nothing yet
        (4, 3, "Most requests fail: 3 of 4 in the last 5 minutes."),
    ],
)
def test_failures_beyond_a_twentieth_are_not_operational(requests: int, errors: int, words: str) -> None:
    assert judge_standing(changed(series=(point(1.0, requests, errors),))).sentence == words


def make_objective(state: Any, objective: float = 0.9) -> SloStatus:
    return SloStatus(
        name="answers", kind="availability", objective=objective, threshold=None, window_days=28, state=state, total=1,
        bad=0, good_share=1.0, budget_left=1.0, burn_rates={}, why="",
    )  # fmt: skip


def test_an_objective_says_how_many_failures_are_allowed() -> None:
    seen = changed(series=(point(1.0, 100, 8),))
    assert judge_standing(seen).state == "degraded"
    assert judge_standing(seen, [make_objective("met")]).state == "operational"


def test_objectives_and_alerts_count_for_the_verdict() -> None:
    page = Alert(id="a", rule="r", severity="page", summary="It is slow.", evidence="", scopes=("all",), started_at=0.0)
    assert judge_standing(QUIET, [], [page]) == Standing("degraded", "It is slow.")
    spent, burning = make_objective("budget spent"), make_objective("burning")
    assert judge_standing(QUIET, [spent]) == Standing("degraded", "answers has spent the error budget.")
    assert judge_standing(QUIET, [burning]) == Standing("degraded", "answers burns the error budget.")
    assert judge_standing(QUIET, [make_objective("not enough traffic to judge")]).state == "operational"


def test_a_request_is_a_row() -> None:
    row = view(QUIET)["rows"][0]
    assert (row["ttft"], row["duration"], row["kind"]) == ("10 ms", "20 ms", "completions, streamed")
    assert (row["time"], row["input"]) == ("00:00:01", "1")  # 1 s after the epoch, in UTC
    tokyo = msgspec.structs.replace(QUIET.last[0], input_tokens=1234)
    shown = view(changed(last=(tokyo,)), Reader(zone="Asia/Tokyo", language="de"))["rows"][0]
    assert (shown["time"], shown["input"], shown["ttft"]) == ("09:00:01", "1.234", "10 ms")
    late = msgspec.structs.replace(QUIET.last[0], streamed=False)
    shown = view(changed(last=(late,)))["rows"][0]
    assert (shown["ttft"], shown["kind"]) == ("–", "completions")  # its first token came with its last
    refused = msgspec.structs.replace(late, model="")
    assert shown["model"] == "<b>m</b>" and view(changed(last=(refused,)))["rows"][0]["model"] == "–"


def read(*found: Gpu, age_s: float | None = 1.0) -> dict[str, Any]:
    shown = gpus(GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=found), age_s=age_s))
    assert shown is not None
    return shown


def test_a_machine_without_gpus_has_no_section() -> None:
    assert gpus(GpuStatus()) is None
    error = gpus(GpuStatus(error="it hangs"))
    assert error is not None and (error["rows"], error["error"], error["age"]) == ([], "it hangs", "")


def test_a_reading_is_old_after_three_quarters_of_a_minute() -> None:
    assert read(Gpu(index=0), age_s=44.9)["age"] == "" and read(Gpu(index=0), age_s=45.0)["age"] == "45 s"


def test_the_state_of_a_gpu_is_that_of_its_own_gravest_issue() -> None:
    shown = read(Gpu(index=0), Gpu(index=1, reasons=("hw_slowdown",)), Gpu(index=2, error="is lost"))
    assert [row["state"] for row in shown["rows"]] == ["fine", "starting", "bad"]
    assert sorted(kind for _, kind in shown["complaints"]) == ["bad", "starting"]
    assert {text[:5]: kind for text, kind in shown["complaints"]} == {"GPU 1": "starting", "GPU 2": "bad"}


def test_what_a_gpu_says_stands_in_its_row() -> None:
    full = Gpu(
        index=0, name="NVIDIA H200", memory_total_bytes=80 * 1024**3, memory_used_bytes=20 * 1024**3, temperature_c=51,
        power_w=300, power_limit_w=700, sm_clock_mhz=1980,
        mig=(MigDevice(instance=7, profile="1g.10gb", memory_total_bytes=10 * 1024**3),),
    )  # fmt: skip
    rows = read(full, Gpu(index=1, power_w=70, memory_used_bytes=5))["rows"]
    assert [row["memory"] for row in rows] == ["20.0 of 80.0 GiB", "10.0 GiB", "–"]
    assert [row["share"] for row in rows] == [25.0, None, None]
    assert [row["power"] for row in rows] == ["300 of 700 W", "", "70 W"]
    assert [row["temperature"] for row in rows] == ["51 °C", "", "–"]
    assert [row["clock"] for row in rows] == ["1,980 MHz", "", "–"]
    assert [row["name"] for row in rows] == ["H200", "MIG 1g.10gb, instance 7", ""]


def test_several_gpus_need_attention() -> None:
    gpus = tuple(Gpu(index=index, error="is lost") for index in (2, 0))
    seen = changed(gpus=GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=gpus)))
    assert judge_standing(seen).sentence == "GPU 0, 2 need attention."


def test_an_objective_for_something_else_allows_no_failures() -> None:
    speed = msgspec.structs.replace(make_objective("met", 0.5), kind="total")
    assert judge_standing(changed(series=(point(1.0, 100, 8),)), [speed]).state == "degraded"


def test_several_objectives_burn_their_budgets() -> None:
    both = [msgspec.structs.replace(make_objective("burning"), name=name) for name in ("a", "b")]
    assert judge_standing(QUIET, both).sentence == "a and b burn the error budget."
