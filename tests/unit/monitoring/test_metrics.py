from __future__ import annotations

import shutil
import subprocess

import msgspec
import pytest

from steward.core.gpus import Gpu, GpuProcess, GpuReading, GpuStatus, MigDevice, Xid
from steward.core.meters import MeterRow
from steward.core.records import FeedbackSum
from steward.monitoring.metrics import (
    TABLE,
    MetricSample,
    ProcessState,
    ServiceState,
    deployment_samples,
    feedback_samples,
    gpu_samples,
    render,
)

SEEN = ServiceState(
    version="1.0", started_at=1.5, config_version=3, config_refused=True, open_requests=2, lines={"big": (3, 2)},
    processes=(ProcessState("worker-0", True, 0), ProcessState("keeper", False, 4)),
)  # fmt: skip
ROWS = [
    MeterRow("tokens", (("route", "r"), ("token", "input")), part, value)
    for part, value in (("4.0", 2.0), ("16.0", 1.0), ("inf", 1.0), ("sum", 5e8))
]


def test_buckets_cumulate_up_to_the_count() -> None:
    lines = [line.rpartition(" ") for line in render(ROWS).splitlines() if "_bucket" in line]
    assert [int(value) for _, _, value in lines] == [0, 2, *[3] * 12, 4]
    assert lines[1][0].endswith('{gen_ai_request_model="r",gen_ai_token_type="input",le="4"}')
    assert 'gen_ai_client_token_usage_count{gen_ai_request_model="r",gen_ai_token_type="input"} 4' in render(ROWS)


def test_calls_to_models_name_the_provider_and_what_has_no_value_is_left_out() -> None:
    rows = [MeterRow("client_duration", (("target", "big"), ("error", "")), "sum", 2.5)]
    assert '_sum{gen_ai_request_model="big",gen_ai_provider_name="openai"} 2.5' in render(rows, (), {"big": "openai"})


def test_the_line_of_each_route_is_shown() -> None:
    text = render([], deployment_samples(SEEN))
    assert 'steward_requests_waiting{gen_ai_request_model="big"} 3' in text
    assert 'steward_requests_running{gen_ai_request_model="big"} 2' in text


def test_what_only_the_store_knows_is_left_out_while_it_does_not_answer() -> None:
    known = render([], deployment_samples(msgspec.structs.replace(SEEN, ledger=(2048, 1.5))))
    for line in ("store_up 1", "ledger_waiting_bytes 2048", "ledger_lag_seconds 1.5", "open_requests 2"):
        assert f"\nsteward_{line}\n" in known
    gone = msgspec.structs.replace(SEEN, store_up=False, open_requests=None, alerts=None, ledger=None)
    text = render([], deployment_samples(gone))
    assert "\nsteward_store_up 0\n" in text and "\nsteward_config_version 3\n" in text
    assert not any(name in text for name in ("steward_ledger", "steward_open_requests", "steward_alerts"))


def test_label_values_are_escaped() -> None:
    """Exposition format 0.0.4: backslash, double quote and line feed."""
    assert r'{outcome="a\\b\"c\nd"} 1' in render([], [MetricSample("requests", 1, (("outcome", 'a\\b"c\nd'),))])


def test_no_name_stands_for_two_metrics() -> None:
    for field in ("id", "prometheus"):
        assert len({getattr(metric, field) for metric in TABLE}) == len(TABLE)


def test_otel_names_become_prometheus_names_by_its_rule() -> None:
    """Dots to underscores, the unit s spelled out, a unit in braces left out."""
    for metric in TABLE:
        if metric.otel is not None:
            unit = "" if metric.otel.endswith("usage") else "_seconds"
            assert metric.prometheus == metric.otel.replace(".", "_") + unit


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    said = [FeedbackSum(route="r", model=None, sentiment="negative", count=2, magnitude=1.5)]
    text = render(ROWS, [*deployment_samples(SEEN), *feedback_samples(said)])
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stderr + checked.stdout) == (0, "")


MIB = 1024 * 1024
BUSY = Gpu(
    index=1, uuid="GPU-4f", name="NVIDIA H100 80GB HBM3", pci="00000000:18:00.0", memory_total_bytes=81559 * MIB,
    memory_used_bytes=73214 * MIB, memory_free_bytes=7794 * MIB, gpu_percent=97.0, power_w=688.41, energy_j=2.5,
    reasons=("sw_power_cap", "hw_slowdown", "hw_thermal"), ecc_uncorrected=2, last_xid=Xid(79, 5.5),
    row_remap_failed=False, processes=(GpuProcess(pid=4711, name="/home/ada/secret-project", kind="compute"),),
)  # fmt: skip


def gpu_text(*gpus: Gpu, age_s: float | None = 3.0, error: str = "") -> str:
    reading = GpuReading(at=9.0, source="nvml", gpus=gpus) if gpus else None
    return render([], gpu_samples(GpuStatus(reading=reading, age_s=age_s, error=error)))


def test_gpus_stand_under_dcgms_names_labels_and_units() -> None:
    """As in dcgm-exporter's README and etc/default-counters.csv: MiB, W, mJ, and the bits of nvml.h."""
    labels = 'gpu="1",UUID="GPU-4f",pci_bus_id="00000000:18:00.0",modelName="NVIDIA H100 80GB HBM3"'
    lines = gpu_text(BUSY).splitlines()
    for name, value in (
        ("FB_USED", "73214"), ("GPU_UTIL", "97"), ("POWER_USAGE", "688.41"), ("TOTAL_ENERGY_CONSUMPTION", "2500"),
        ("CLOCKS_EVENT_REASONS", "76"), ("XID_ERRORS", "79"), ("ECC_DBE_VOL_TOTAL", "2"), ("ROW_REMAP_FAILURE", "0"),
    ):  # fmt: skip
        assert f"DCGM_FI_DEV_{name}{{{labels}}} {value}" in lines
    assert 'steward_gpu_throttled{gpu="1",UUID="GPU-4f",reason="hw_thermal"} 1' in lines
    assert 'steward_gpu_throttled{gpu="1",UUID="GPU-4f",reason="sw_thermal"} 0' in lines
    assert "steward_gpu_reading_age_seconds 3" in lines


def test_processes_are_never_on_metrics() -> None:
    assert "ada" not in gpu_text(BUSY) and "4711" not in gpu_text(BUSY)


def test_what_a_gpu_does_not_tell_is_no_series() -> None:
    assert "GPU_TEMP" not in gpu_text(BUSY) and "ENC_UTIL" not in gpu_text(BUSY)


def test_a_divided_gpu_tells_its_memory_by_part_and_not_twice() -> None:
    parts = tuple(MigDevice(instance=n, profile="1g.10gb", memory_used_bytes=n * MIB) for n in (9, 10))
    text = gpu_text(Gpu(index=0, memory_used_bytes=19 * MIB, mig=parts))
    used = [line for line in text.splitlines() if line.startswith("DCGM_FI_DEV_FB_USED")]
    assert [line.rpartition(" ")[2] for line in used] == ["10", "9"]
    assert all('GPU_I_PROFILE="1g.10gb",GPU_I_ID="' in line for line in used)


def test_without_a_gpu_there_is_no_series() -> None:
    assert gpu_text(age_s=None) == "\n"


def test_a_driver_that_hangs_or_fails_is_a_number() -> None:
    text = gpu_text(BUSY, age_s=130.0, error="the driver has not answered for 120 s")
    assert "steward_gpu_reading_failing 1" in text and "steward_gpu_reading_age_seconds 130" in text
    assert "DCGM_FI_DEV_GPU_UTIL" in text  # the last value, with its age beside it
    assert "DCGM" not in gpu_text(age_s=400.0) and "steward_gpu_reading_age_seconds 400" in gpu_text(age_s=400.0)


def test_promtool_finds_only_what_dcgm_calls_otherwise_than_prometheus_does() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=gpu_text(BUSY), capture_output=True, text=True, timeout=60
    )
    found = {line for line in (checked.stdout + checked.stderr).splitlines() if line}
    assert all(line.startswith("DCGM_FI_DEV_") for line in found)
    assert {line.partition(" ")[2] for line in found} == {
        "label names should be written in 'snake_case' not 'camelCase'",  # modelName
        'counter metrics should have "_total" suffix',
    }


def test_every_number_of_a_gpu_has_dcgms_name_and_unit() -> None:
    """dcgm-exporter's etc/default-counters.csv: MHz, C, W, mJ, %, MiB and counts."""
    full = Gpu(
        index=0, sm_clock_mhz=1980.0, memory_clock_mhz=2619.0, temperature_c=61.0, memory_temperature_c=74.0,
        power_w=300.0, power_limit_w=700.0, energy_j=1.5, gpu_percent=98.0, memory_percent=55.0, encoder_percent=1.0,
        decoder_percent=2.0, memory_total_bytes=80 * MIB, memory_used_bytes=60 * MIB, memory_free_bytes=19 * MIB,
        memory_reserved_bytes=3 * MIB, reasons=("gpu_idle", "sw_thermal"), last_xid=Xid(31, 7.0), ecc_corrected=4,
        ecc_uncorrected=5, rows_remapped_corrected=6, rows_remapped_uncorrected=7, row_remap_pending=True,
        row_remap_failed=False,
    )  # fmt: skip
    samples = {sample.metric: sample.value for sample in gpu_samples(
        GpuStatus(reading=GpuReading(at=9.0, source="nvml", gpus=(full,)), age_s=3.0)
    )}  # fmt: skip
    assert {name: value for name, value in samples.items() if not name.startswith("gpu_")} == {
        "SM_CLOCK": 1980, "MEM_CLOCK": 2619, "GPU_TEMP": 61, "MEMORY_TEMP": 74, "POWER_USAGE": 300,
        "POWER_MGMT_LIMIT": 700, "TOTAL_ENERGY_CONSUMPTION": 1500, "GPU_UTIL": 98, "MEM_COPY_UTIL": 55, "ENC_UTIL": 1,
        "DEC_UTIL": 2, "FB_TOTAL": 80, "FB_USED": 60, "FB_FREE": 19, "FB_RESERVED": 3, "CLOCKS_EVENT_REASONS": 0x21,
        "XID_ERRORS": 31, "ECC_SBE_VOL_TOTAL": 4, "ECC_DBE_VOL_TOTAL": 5, "CORRECTABLE_REMAPPED_ROWS": 6,
        "UNCORRECTABLE_REMAPPED_ROWS": 7, "ROW_REMAP_PENDING": 1, "ROW_REMAP_FAILURE": 0,
    }  # fmt: skip
    assert samples["gpu_lost"] == 0 and samples["gpu_xid_time"] == 7.0 and samples["gpu_failing"] == 0


def test_a_lost_gpu_and_the_state_of_processes_are_numbers() -> None:
    text = gpu_text(Gpu(index=2, uuid="u", error="GPU is lost"))
    assert 'steward_gpu_lost{gpu="2",UUID="u"} 1' in text
    state = render([], deployment_samples(SEEN))
    assert 'steward_process_up{process="worker-0"} 1' in state and 'steward_process_up{process="keeper"} 0' in state
    assert 'steward_process_restarts_total{process="keeper"} 4' in state and "steward_open_requests 2" in state
    assert "steward_config_version 3" in state and "steward_config_refused 1" in state
    assert 'steward_build_info{version="1.0"} 1' in state and "steward_start_time_seconds 1.5" in state


def test_whole_numbers_have_no_point_and_others_keep_all_digits() -> None:
    text = render([], [MetricSample("open_requests", 3.0), MetricSample("started", 1764342000.125)])
    assert "steward_open_requests 3\n" in text and "steward_start_time_seconds 1764342000.125\n" in text


def test_feedback_is_told_by_route_model_and_sentiment() -> None:
    said = [
        FeedbackSum(route="r", model=None, sentiment="negative", count=2, magnitude=1.5),
        FeedbackSum(route="r", model="m", sentiment="positive", count=3, magnitude=2.0),
    ]
    samples = [(one.metric, one.value, dict(one.labels)) for one in feedback_samples(said)]
    assert samples == [
        ("feedback", 2, {"route": "r", "model": "", "sentiment": "negative"}),
        ("feedback_score", 1.5, {"route": "r", "model": "", "sentiment": "negative"}),
        ("feedback", 3, {"route": "r", "model": "m", "sentiment": "positive"}),
        ("feedback_score", 2.0, {"route": "r", "model": "m", "sentiment": "positive"}),
    ]
