import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.load_report import FORMAT, ClientHealth, LoadReport, Quantiles, read_load_report


def report(**changed):
    given = dict(url="http://127.0.0.1:1/v1", model="m", arrival="poisson", started_at=1.0, duration_s=2.0)
    given |= dict(achieved_rate=5.0, sent=10, answered=9, failed=1, errors={"http_429": 1}, valid=True)
    given |= dict(ttft_ms=Quantiles(n=9, p50=50.0, intervals={"p50": (49.0, 51.0)}))
    return LoadReport(
        **given, client=ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1), **changed
    )


def test_a_written_report_is_read_back_the_same(tmp_path):
    (tmp_path / "load.json").write_bytes(msgspec.json.encode(report()))
    assert read_load_report(tmp_path / "load.json") == report()


def test_the_interface_that_others_read():
    found = msgspec.json.decode(msgspec.json.encode(report()))
    assert {"ttft_ms", "tpot_ms", "e2e_ms", "from_actual_send", "requested_rate", "achieved_rate"} <= set(found)
    assert {"valid", "invalid_reasons", "errors"} <= set(found)
    assert {"p50", "p90", "p95", "p99"} <= set(found["ttft_ms"]) & set(found["from_actual_send"]["tpot_ms"])


@pytest.mark.parametrize(
    "written, said",
    [(b"{}", "not a load report"), (None, "No such file"), (msgspec.json.encode(report(format=FORMAT + 1)), "newer")],
)
def test_what_is_no_report_says_so(tmp_path, written, said):
    if written is not None:
        (tmp_path / "load.json").write_bytes(written)
    with pytest.raises(InputError, match=said):
        read_load_report(tmp_path / "load.json")


def test_files_of_this_version_have_format_1_and_are_read_without_optional_parts():
    found = report()
    assert FORMAT == found.format == 1
    assert (found.processes, found.series_step_s, found.samples.every) == (1, 1.0, 1)
