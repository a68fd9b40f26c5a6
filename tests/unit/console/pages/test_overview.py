"""What the overview says of GPUs beside the plan in force, of what changed, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_client import source
from console_home import NOW, HomeConsole
from served_home import serve_home
from steward.capacity.plan import Plan
from steward.capacity.sizing import Requirements
from steward.console.pages.overview import Overview, find_planned_gib, list_gpus, read_acts, read_overview, view
from steward.console.reader import Reader
from steward.console.time_range import TimeRange
from steward.core.acts import AdministrativeAct, RecordedAct
from steward.core.alerts import Alert
from steward.core.gpus import Gpu, GpuReading, GpuStatus
from steward.core.identity import ALL_RIGHTS, Principal, Right
from steward.monitoring.traffic import Traffic, TrafficSums
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.home import save_plan
from steward.workflows.plan.make import make_plan
from steward.workflows.serve.deployment import find_deployment

GIB = 2**30


def plan() -> Plan:
    """Weights of 8 billion parameters in 2 bytes are 15 GiB."""
    wanted = Requirements(rate=1, input_tokens=100, output_tokens=50)
    return make_plan(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), wanted, None, None)


def read(*gpus: Gpu) -> GpuStatus:
    return GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=gpus), age_s=1.0)


def test_memory_stands_beside_the_plan_and_what_is_beyond_it_is_told() -> None:
    status = read(
        Gpu(index=0, name="NVIDIA H200", memory_used_bytes=60 * GIB, memory_total_bytes=80 * GIB),
        Gpu(index=1, memory_used_bytes=60 * GIB + 1, memory_total_bytes=80 * GIB),
        Gpu(index=2),
    )
    rows = list_gpus(status, Reader(), 60.0)
    assert [(row["name"], row["share"], row["memory"]) for row in rows] == [
        ("GPU 0 H200", 75.0, "60.0 of 80.0 GiB"), ("GPU 1", 100 * (60 * GIB + 1) / (80 * GIB), "60.0 of 80.0 GiB"),
        ("GPU 2", None, "–"),
    ]  # fmt: skip
    assert [(row["planned"], row["beyond"]) for row in rows] == [
        ("60.0 GiB", False), ("60.0 GiB", True), ("60.0 GiB", False),
    ]  # fmt: skip


def test_memory_of_which_half_is_known_is_a_dash_without_a_meter() -> None:
    gpus = (Gpu(index=0, memory_used_bytes=GIB), Gpu(index=1, memory_total_bytes=GIB))
    rows = list_gpus(read(*gpus), Reader())
    assert [(row["share"], row["memory"]) for row in rows] == [(None, "–"), (None, "–")]


def test_what_is_wrong_stands_at_its_gpu() -> None:
    fine, hot = list_gpus(read(Gpu(index=0), Gpu(index=1, reasons=("hw_thermal",))), Reader())
    assert fine["issues"] == [] and "too hot" in hot["issues"][0]


def test_without_a_plan_nothing_is_beyond_it(tmp_path: Path) -> None:
    assert find_planned_gib(tmp_path) is None
    rows = list_gpus(read(Gpu(index=0, memory_used_bytes=1, memory_total_bytes=2)), Reader())
    assert (rows[0]["planned"], rows[0]["beyond"]) == ("", False)
    assert list_gpus(GpuStatus(), Reader(), 60.0) == []


def test_the_plan_puts_weights_activations_overhead_and_cache_into_each_gpu(tmp_path: Path) -> None:
    save_plan(tmp_path, plan())
    chosen = plan().chosen
    assert chosen is not None
    memory = chosen.memory
    parts = memory.weights_gib + memory.activation_gib + memory.overhead_gib + memory.kv_gib
    assert find_planned_gib(tmp_path) == pytest.approx(parts) and 15 < parts <= memory.visible_gib


def test_a_plan_without_a_deployment_says_nothing_of_memory(tmp_path: Path) -> None:
    save_plan(tmp_path, msgspec.structs.replace(plan(), chosen=None))
    assert find_planned_gib(tmp_path) is None


def ask(tenant: str, rights: frozenset[Right] = ALL_RIGHTS) -> Principal:
    return Principal(kind="person", id="anna", tenant=tenant, rights=rights)


def test_what_is_of_the_machine_is_for_the_tenant_that_looks_after_it(tmp_path: Path) -> None:
    alert = Alert(id="a1", rule="r", severity="page", summary="s", evidence="e", scopes=("all",), started_at=NOW)
    time = TimeRange(since=NOW - 86400, until=NOW)
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        console.store.alerts.put(alert)
        save_plan(home, plan())
        pages = msgspec.structs.replace(console.source, gpus=lambda: read(Gpu(index=0)))
        ours, theirs = (read_overview(pages, ask(tenant), time) for tenant in ("default", "acme"))
        (home / "first-run-done").touch()
        later = read_overview(pages, ask("default"), time)
    assert [one.id for one in ours.alerts] == ["a1"] and theirs.alerts == []
    assert ours.gpus.reading is not None and theirs.gpus.reading is None
    assert ours.planned_gib is not None and theirs.planned_gib is None
    assert (ours.new, theirs.new, later.new) == (True, False, False)


def test_what_changed_since_then_is_told_the_newest_first_without_who_signed_in(tmp_path: Path) -> None:
    pages = source(tmp_path)
    assert read_acts(pages, ask("default"), 0.0) == []  # no log yet
    log = find_deployment(tmp_path).open_audit_log()
    for at, action in ((99.0, "a.b"), (100.0, "c.d"), (101.0, "people.sign_in"), (102.0, "e.f")):
        log.record(AdministrativeAct(at=at, actor="operator:1", action=action, subject="s"))
    assert [(act.at, act.action) for act in read_acts(pages, ask("default"), 100.0)] == [(102.0, "e.f"), (100.0, "c.d")]
    assert read_acts(pages, ask("acme"), 100.0) == []


def test_the_newest_eight_acts_and_the_charts_of_what_there_was_are_shown() -> None:
    acts = [RecordedAct(at=float(at), actor="a", action="x", subject=str(at), entry=1) for at in range(9)]
    point = TrafficSums(requests=2, judged=2)

    def show(point: TrafficSums, before: Traffic | None = None) -> dict[str, Any]:
        overview = Overview(
            traffic=traffic(point), before=before, slos=(), objectives=[], alerts=[], acts=acts, gpus=GpuStatus(),
            planned_gib=None, new=False,
        )  # fmt: skip
        return view(overview, Reader(), NOW)

    def traffic(point: TrafficSums) -> Traffic:
        return Traffic(step_s=60, starts=(0,), total=point, points=(point,), groups={})

    shown = show(point)
    assert [act.subject for act in shown["acts"]] == [*"01234567"]
    assert len(shown["charts"]) == 3 and show(TrafficSums())["charts"] == []  # requests, latency, errors
    assert len(show(msgspec.structs.replace(point, rated=1, usd=0.5))["charts"]) == 5  # and ratings and spend
    assert shown["figures"][0].before == ""
    assert show(point, traffic(TrafficSums(requests=7)))["figures"][0].before == "7"
