"""The sentence on top of the status page is true."""

from typing import Any

import msgspec
import pytest

from console_client import snapshot
from steward.console.status import judge_standing, view
from steward.core.gpus import Gpu, GpuReading, GpuStatus
from steward.core.records import Health, SeriesPoint, Snapshot

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
