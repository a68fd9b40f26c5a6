"""Load reports as rows for the fit."""

from pathlib import Path

import pytest

from steward.capacity.catalog import find_model
from steward.core.errors import InputError
from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.workflows.plan.calibrate import convert_report
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
