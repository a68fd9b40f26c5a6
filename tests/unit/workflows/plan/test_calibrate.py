"""Load reports as rows for the fit."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from steward.capacity.catalog import find_model
from steward.core.errors import InputError
from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.workflows.plan.calibrate import _find_tested_deployment, calibrate_files, convert_report
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment

DEPLOYMENT = resolve_deployment(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), find_model("llama-3.1-8b").model)


def report(
    in_flight: list[int], concurrency: int | None = None, rate: float | None = None, **more: object
) -> LoadReport:
    n = len(in_flight)
    samples = Samples(
        at_s=(0.0,) * n, ttft_ms=(50.0,) * n, tpot_ms=tuple(5.0 + count for count in in_flight), e2e_ms=(900.0,) * n,
        input_tokens=(500,) * n, output_tokens=(100,) * n, in_flight=tuple(in_flight),
    )  # fmt: skip
    known = {
        "url": "http://127.0.0.1:1", "model": "m", "arrival": "closed", "started_at": 0.0, "duration_s": 10.0,
        "achieved_rate": n / 10, "requested_concurrency": concurrency, "requested_rate": rate, "sent": n, "answered": n,
        "failed": 0, "ttft_ms": Quantiles(n=n, mean=50.0), "tpot_ms": Quantiles(n=n, mean=8.0), "valid": True,
        "invalid_reasons": (), "samples": samples,
        "client": ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1),
    }  # fmt: skip
    return LoadReport(**known | more)  # type: ignore[arg-type]


def test_a_report_is_its_means_and_a_row_for_each_number_in_flight() -> None:
    rows = convert_report(report([2] * 8 + [4] * 9 + [7], concurrency=4), Path("r.json"), DEPLOYMENT)
    assert [row.id for row in rows] == ["r.json", "r.json#2", "r.json#4"]  # one sample at 7 is too few
    assert rows[0].load.concurrency == 4 and rows[0].measured == {
        "tpot_ms": 8.0, "ttft_ms": 50.0, "output_tok_s": 18 * 100 / 10,
    }  # fmt: skip
    assert [row.measured for row in rows[1:]] == [{"tpot_ms": 7.0}, {"tpot_ms": 9.0}]
    assert {(row.load.input_tokens, row.load.output_tokens) for row in rows} == {(500, 100)}


def test_a_rate_is_an_open_loop() -> None:
    row = convert_report(report([2] * 5, rate=0.5), Path("r.json"), DEPLOYMENT)[0]
    assert (row.load.kind, row.load.rate, row.load.requests) == ("open", 0.5, 5)


def test_p08_advice_fits_the_kind_of_run() -> None:
    """Fewer requests a second are no advice for clients that wait for their answers."""
    late = {"valid": False, "invalid_reasons": ("the client was late",)}
    with pytest.raises(InputError, match=r"the client was late\); run it again from a quieter machine"):
        convert_report(report([1] * 5, concurrency=1, **late), Path("r.json"), DEPLOYMENT)
    with pytest.raises(InputError, match=r"the client was late\); run it again at a lower rate"):
        convert_report(report([1] * 5, rate=2.0, **late), Path("r.json"), DEPLOYMENT)


def test_a_report_without_times_per_token_says_what_to_run() -> None:
    with pytest.raises(InputError, match="run a streamed test with answers of at least two tokens"):
        convert_report(report([1] * 5, concurrency=1, tpot_ms=Quantiles()), Path("r.json"), DEPLOYMENT)


def test_without_samples_lengths_are_the_shortest_that_have_a_time_per_token() -> None:
    row = convert_report(report([], concurrency=4, answered=5, sent=5), Path("r.json"), DEPLOYMENT)[0]
    assert (row.load.input_tokens, row.load.output_tokens) == (1, 2)
    assert row.measured["output_tok_s"] == 5 * 2 / 10


def test_a_run_of_no_time_has_no_throughput() -> None:
    row = convert_report(report([2] * 5, concurrency=4, duration_s=0.0), Path("r.json"), DEPLOYMENT)[0]
    assert row.measured == {"tpot_ms": 8.0, "ttft_ms": 50.0}


def test_an_open_loop_is_replayed_with_2000_requests_at_most_and_at_the_rate_it_reached() -> None:
    assert convert_report(report([2] * 5, rate=0.5, sent=3000), Path("r"), DEPLOYMENT)[0].load.requests == 2000
    assert convert_report(report([2] * 5), Path("r"), DEPLOYMENT)[0].load.rate == 0.5


def test_a_row_of_its_own_has_eight_timed_samples() -> None:
    made = report([3] * 8, concurrency=4)
    untimed = msgspec.structs.replace(made.samples, tpot_ms=(None, *made.samples.tpot_ms[1:]))
    seven = msgspec.structs.replace(made, samples=untimed)
    assert [row.id for row in convert_report(made, Path("r"), DEPLOYMENT)] == ["r", "r#3"]
    assert [row.id for row in convert_report(seven, Path("r"), DEPLOYMENT)] == ["r"]


@pytest.mark.parametrize("home", [False, True])
def test_a_report_needs_a_deployment_that_was_named_or_planned(tmp_path: Path, home: bool) -> None:
    (tmp_path / "r.json").write_bytes(msgspec.json.encode(report([2] * 5, concurrency=4)))
    with pytest.raises(InputError, match="does not say which hardware it ran on: give --model and --gpu"):
        calibrate_files([tmp_path / "r.json"], None, tmp_path if home else None)


def test_a_table_of_which_no_row_can_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declined = [SimpleNamespace(reason="row 2: no such accelerator")]
    monkeypatch.setattr("steward.capacity.measurements.read_measurements", lambda _: ([], declined))
    with pytest.raises(InputError, match=r"t\.csv: row 2: no such accelerator"):
        calibrate_files([tmp_path / "t.csv"], None, None)
    with pytest.raises(InputError) as empty:  # nothing declined and nothing there: too few points
        monkeypatch.setattr("steward.capacity.measurements.read_measurements", lambda _: ([], []))
        calibrate_files([tmp_path / "t.csv"], None, None)
    assert "row 2" not in str(empty.value)


def test_the_fit_is_written_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr("steward.capacity.measurements.read_measurements", lambda _: (["row"], ["declined"]))
    module = "steward.workflows.plan.calibrate"
    monkeypatch.setattr(f"{module}.calibrate", lambda rows, terms: f"fit of {rows}")
    monkeypatch.setattr(f"{module}.load_calibrations", lambda home: [])
    monkeypatch.setattr(f"{module}.add_calibration", lambda before, rows, fit: [*before, fit])
    monkeypatch.setattr(f"{module}.save_calibrations", lambda home, merged: kept.append((home, merged)))
    files, fit = [tmp_path / "t.csv"], "fit of ['row']"
    assert (calibrate_files(files, None, None), list(tmp_path.iterdir()), kept) == (fit, [], [])
    assert calibrate_files(files, None, tmp_path, tmp_path / "out.json") == fit
    assert msgspec.json.decode((tmp_path / "out.json").read_bytes()) == [fit] and kept == [(tmp_path, [fit])]


def test_the_saved_plan_says_what_was_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.json").touch()
    chosen = SimpleNamespace(gpu="h100", precision="bf16", tp=2, pp=1)
    plan = SimpleNamespace(model="llama-3.1-8b", engine="vllm", chosen=chosen)
    monkeypatch.setattr("steward.workflows.plan.calibrate.read_plan", lambda _: plan)
    tested = _find_tested_deployment(None, tmp_path)
    assert (tested.model.name, tested.tp, tested.pp) == ("Llama-3.1-8B", 2, 1) and "H100" in tested.gpu.name
    plan.chosen = None
    with pytest.raises(InputError, match="the saved plan found no deployment; give --model and --gpu"):
        _find_tested_deployment(None, tmp_path)
