import pytest

from steward.capacity.gpu_health import XID_FRESH_S, assess_gpus, list_issues, list_throttle_reasons
from steward.core.gpus import Gpu, GpuReading, Xid

NOW = 1e9


def said(**changes: object) -> list[tuple[str, str]]:
    reading = GpuReading(at=NOW, source="nvml", gpus=(Gpu(index=0, **changes),))  # type: ignore[arg-type]
    return [(item.severity, item.text) for item in list_issues(reading)]


def test_a_gpu_that_tells_nothing_is_not_complained_of() -> None:
    assert said() == []


def test_full_memory_full_load_and_power_capping_are_how_servers_run() -> None:
    assert said(memory_total_bytes=80, memory_used_bytes=79, gpu_percent=100.0, reasons=("sw_power_cap",)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"error": "GPU is lost"}, "GPU is lost: restart"),
        ({"ecc_uncorrected": 1}, "1 uncorrected ECC error since"),
        ({"ecc_uncorrected": 2000}, "2,000 uncorrected ECC errors since"),
        ({"row_remap_failed": True}, "have the GPU replaced"),
        ({"row_remap_pending": True}, "waiting to be remapped"),
        ({"last_xid": Xid(79, NOW - 60)}, "XID 79: GPU has fallen off the bus"),
    ],
)
def test_what_makes_a_gpu_ill(change: dict[str, object], words: str) -> None:
    [(severity, text)] = said(**change)
    assert severity == "ill" and words in text


def test_corrected_errors_are_what_ecc_is_for() -> None:
    assert said(ecc_corrected=100_000, rows_remapped_corrected=3, ecc_uncorrected=0) == []


def test_an_applications_own_fault_and_an_unknown_xid_are_noted() -> None:
    assert [severity for code in (31, 999) for severity, _ in said(last_xid=Xid(code, NOW))] == ["noted", "noted"]


def test_an_old_xid_is_no_complaint_any_more() -> None:
    assert said(last_xid=Xid(79, NOW - XID_FRESH_S)) == []


def test_the_worst_comes_first() -> None:
    found = said(reasons=("hw_thermal", "gpu_idle"), last_xid=Xid(31, NOW), ecc_uncorrected=1)
    assert [severity for severity, _ in found] == ["ill", "slowed", "noted"]


def test_throttling_names_only_what_holds_back() -> None:
    assert list_throttle_reasons(Gpu(index=0, reasons=("gpu_idle", "sw_power_cap", "sw_thermal"))) == ("sw_thermal",)
    assert list_throttle_reasons(Gpu(index=0)) == ()


def test_one_ill_gpu_is_enough() -> None:
    gpus = (Gpu(index=0), Gpu(index=1, error="GPU is lost"))
    assert assess_gpus(GpuReading(at=NOW, source="nvml", gpus=gpus)).verdict == "ill"


def test_a_hardware_slowdown_is_named_by_its_cause_where_there_is_one() -> None:
    assert [text for _, text in said(reasons=("hw_slowdown", "hw_thermal"))] == [
        "too hot: the hardware lowers the clocks"
    ]
    assert len(said(reasons=("hw_slowdown",))) == 1


@pytest.mark.parametrize("code", [46, 48, 62, 64, 74, 79, 95, 110, 119, 120, 136, 140, 143])
def test_xids_whose_action_is_a_reset_or_a_call_make_a_gpu_unhealthy(code: int) -> None:
    """NVIDIA "XID Errors" r555: the codes whose listed action is to reset, to restart or to contact support."""
    assert [severity for severity, _ in said(last_xid=Xid(code, NOW))] == ["ill"]


@pytest.mark.parametrize("code", [13, 31, 43, 45, 63, 68, 92, 94])
def test_xids_of_applications_or_already_handled_are_noted_by_name(code: int) -> None:
    [(severity, text)] = said(last_xid=Xid(code, NOW))
    assert severity == "noted" and text.startswith(f"XID {code}: ") and "catalogue" not in text


def test_an_xid_counts_for_a_day() -> None:
    assert XID_FRESH_S == 24 * 3600
    assert said(last_xid=Xid(79, NOW - 24 * 3600 + 1)) and not said(last_xid=Xid(79, NOW - 24 * 3600))
