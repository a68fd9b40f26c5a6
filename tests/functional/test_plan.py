"""`steward plan` as it is typed: exit codes, records, and the circle plan, load test, calibrate, plan again."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from conftest import Deployment, deploy_mock, inside
from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.predict import Load, predict
from steward.capacity.sizing import Requirements, build_deployment
from steward.capacity.step_time import Terms, load_shipped_terms
from steward.cli.main import app
from steward.core.errors import StewardError
from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.forecast import forecast
from steward.workflows.plan.home import save_plan
from steward.workflows.plan.make import make_plan
from steward.workflows.serve.deployment import find_deployment

WANTED = ("--rate", "5", "--input", "1024", "--output", "256", "--ttft-p95", "800ms", "--tpot-p95", "50ms")
TRUTH = msgspec.structs.replace(
    load_shipped_terms(), bandwidth=0.5, step_us=6000.0
)  # a slower deployment than the shipped


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: the store holds what they put there."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


def record(*arguments: str, cwd: Path | None = None) -> dict[str, Any]:
    ended = inside("plan", *arguments, "--json", cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def report(concurrency: int, truth: Terms = TRUTH, valid: bool = True) -> LoadReport:
    """A load test of a deployment whose terms are known."""
    deployment = build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    )
    p = predict(deployment, Load(kind="closed", concurrency=concurrency, input_tokens=500, output_tokens=100), truth)
    n = 60
    return LoadReport(
        url="http://127.0.0.1:1", model="llama-3.1-8b", arrival="concurrency", started_at=0.0,
        duration_s=n / p.req_per_s,
        achieved_rate=p.req_per_s, requested_concurrency=concurrency, sent=n, answered=n, failed=0,
        ttft_ms=Quantiles(n=n, mean=p.ttft_ms.mean), tpot_ms=Quantiles(n=n, mean=p.tpot_ms.mean), valid=valid,
        invalid_reasons=() if valid else ("the client was late",),
        client=ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1),
        samples=Samples(
            at_s=(0.0,) * n, ttft_ms=(p.ttft_ms.mean,) * n, tpot_ms=(p.tpot_ms.mean,) * n, e2e_ms=(p.e2e_ms.mean,) * n,
            input_tokens=(500,) * n, output_tokens=(100,) * n, in_flight=(concurrency,) * n,
        ),
    )  # fmt: skip


def test_a_plan_is_made_kept_and_drawn(tmp_path: Path) -> None:
    (tmp_path / ".steward").mkdir()
    (tmp_path / "prices.yaml").write_text("h100-sxm: 3\nNVIDIA L40S: 1\n")
    found = record(
        "--model", "llama-3.1-8b", "--gpu", "h100-sxm,l40s", "--prices", "prices.yaml", "--keep", "--html",
        "plan.html", *WANTED,
        cwd=tmp_path,
    )  # fmt: skip
    best = found["chosen"]
    assert best["usd_per_hour"] == pytest.approx(best["gpus"] * (3 if best["gpu"].startswith("H100") else 1))
    assert (
        found["ttft_p95_ms"]["low"] < found["ttft_p95_ms"]["value"] < found["ttft_p95_ms"]["high"]
        and best["headroom"] > 0.2
    )
    assert json.loads((tmp_path / ".steward/plan/plan.json").read_text())["chosen"]["gpu"] == best["gpu"]
    page = (tmp_path / "plan.html").read_text()
    assert page.count("<svg") == 2 * 4 and "<script" not in page and not re.search(r"(src|href)=", page)
    watched = inside("plan", "watch", cwd=tmp_path)
    assert watched.returncode == 4 and "no requests recorded yet" in watched.stderr


def test_load_tests_of_a_slower_deployment_narrow_the_plan(tmp_path: Path) -> None:
    (tmp_path / ".steward").mkdir()
    for concurrency in (1, 4, 16, 32):
        path = tmp_path / f"c{concurrency}.json"
        path.write_bytes(msgspec.json.encode(report(concurrency)))
    asked = (
        "predict",
        "--model",
        "llama-3.1-8b",
        "--gpu",
        "h100",
        "--input",
        "500",
        "--output",
        "100",
        "--concurrency",
        "8",
    )
    before = record(*asked, cwd=tmp_path)["tpot_ms"]
    fitted = record(
        "calibrate",
        "c1.json",
        "c4.json",
        "c16.json",
        "c32.json",
        "--model",
        "llama-3.1-8b",
        "--gpu",
        "h100",
        cwd=tmp_path,
    )
    after = record(*asked, cwd=tmp_path)["tpot_ms"]
    truth = report(8).tpot_ms.mean
    assert truth is not None and before["value"] < 0.8 * truth
    assert after["value"] == pytest.approx(truth, rel=0.05)
    assert after["high"] / after["low"] < 0.7 * before["high"] / before["low"]
    assert fitted["after"]["tpot_ms"]["median_error"] < 0.08 < fitted["before"]["tpot_ms"]["median_error"]


def test_watch_reads_the_store_and_tells_when_the_plan_is_full(deployed: Deployment) -> None:
    """One busy hour a day, twice as many requests each day; the plan serves some 25 a second."""
    home, today = deployed.home, time.time() // 86400
    wanted = Requirements(rate=5, input_tokens=1024, output_tokens=256, tpot_p95_ms=50)
    save_plan(home, make_plan(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), wanted, None, None))
    records: list[LedgerRecord] = []
    for day in range(5):
        for number in range(2 << day):
            at, name = 86400 * (today - 5 + day) + 43200 + number, f"req_{day}_{number:019}"
            asked = Admitted(
                request_id=name,
                at=at,
                key_id="k",
                project="p",
                endpoint="/v1/chat/completions",
                route="m",
                streamed=True,
            )
            records += [
                asked,
                Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="m", output_tokens=256),
            ]
    store = find_deployment(home).open_store()
    store.ledger.drain("test", "test-segment", 1, records)
    store.close()
    ended = inside("plan", "watch", "--home", str(home), "--json")
    found = json.loads(ended.stdout)
    limit = found["max_rate"]
    assert (ended.returncode, found["state"]) == (1, "soon")
    assert found["growth_a_day"] == pytest.approx(1.0) and found["output_tokens"] == 256
    assert found["days_left"] == pytest.approx(math.log2(limit * 3600 / 32), abs=0.1)


def test_p06_what_nobody_measured_says_that_it_cannot_tell() -> None:
    load = Load(kind="closed", concurrency=4, input_tokens=100, output_tokens=20)
    for gpu, told in (("h100", True), ("mi300x", False), ("cpu", False)):
        made = forecast(DeploymentSpec(model="smollm2-135m", gpu=gpu), load, None)
        assert (made.tpot_ms.low is not None) == (made.tpot_ms.high is not None) == told
        assert any(item.what == "interval" and ("cannot tell" in item.value) != told for item in made.assumptions)


def test_an_invalid_run_calibrates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "late.json"
    path.write_bytes(msgspec.json.encode(report(4, valid=False)))
    ended = inside("plan", "calibrate", str(path), "--model", "llama-3.1-8b", "--gpu", "h100", cwd=tmp_path)
    assert ended.returncode == 2 and "not a valid run (the client was late)" in ended.stderr


def test_validate_has_the_agreed_form(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    head = "model,gpu,gpu_count,precision,engine,input_len,output_len,load_type,load_value,ttft_ms_mean,tpot_ms_mean\n"
    path.write_text(head + "Llama-3.1-8B,H100,1,bf16,vllm,512,128,concurrency,8,,7.5\n")
    found = record("validate", str(path))
    assert set(found) == {"metrics", "coverage", "declined", "rows"} and set(found["metrics"]) == {
        "output_tok_s",
        "ttft_ms",
        "tpot_ms",
    }
    assert found["metrics"]["ttft_ms"] == {"n": 0, "median_error": None, "p90_error": None}
    assert found["metrics"]["tpot_ms"]["n"] == 1 and found["metrics"]["tpot_ms"]["median_error"] < 0.25


MODEL = ("--model", "llama-3.1-8b")
SHORT = ("predict", *MODEL, "--gpu", "h100", "--input", "9", "--output", "9")
BIG = ("predict", "--model", "llama-3.1-70b", "--gpu", "l4", "--input", "9", "--output", "9", "--rate", "1")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--model", "llama-3.1-9b", *WANTED), 2, "did you mean 'Llama-3.1-8B'"),
        ((*MODEL, "--gpu", "h1000", *WANTED), 2, "unknown GPU 'h1000'"),
        (("--model", "llama-3.1-405b", "--gpu", "t4", *WANTED), 3, "does not fit"),
        ((*MODEL, "--rate", "-1", "--input", "9", "--output", "9"), 2, "--rate -1"),
        ((*MODEL, "--rate", "1", "--input", "0", "--output", "9"), 2, "--input 0"),
        ((*MODEL, "--rate", "1", "--input", "9"), 2, "--output is missing"),
        ((*MODEL, *WANTED, "--e2e-p95", "100ms"), 2, "contradiction"),
        ((*MODEL, *WANTED, "--ttft-p95", "soon"), 2, "expected a number above 0 and a unit"),
        ((*MODEL, *WANTED, "--prices", "nowhere.yaml"), 2, "expected a readable YAML file"),
        (("--model", "nowhere/config.json", *WANTED), 2, "No such file"),
        ((*SHORT, "--tp", "3", "--rate", "1"), 2, "does not divide the 32 heads"),
        ((*SHORT, "--tp", "2", "--count", "3", "--rate", "1"), 2, "makes 2 accelerators"),
        (SHORT, 2, "one of --concurrency"),
        ((*SHORT, "--trace", "nowhere.jsonl"), 2, "expected JSON lines"),
        ((*SHORT, "--rate", "inf"), 2, "--rate inf"),
        ((*SHORT, "--concurrency", "9999999"), 2, "the simulator's limit"),
        (BIG, 3, "weights"),
        (("calibrate", "nowhere.json", *MODEL, "--gpu", "h100"), 2, "No such file"),
        (("validate", "nowhere.csv"), 2, "No such file"),
    ],
)
def test_wrong_input_says_what_was_expected(arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = CliRunner().invoke(app, ["plan", *arguments])
    error = ended.exception
    assert (error.exit_code if isinstance(error, StewardError) else ended.exit_code) == code
    assert said in f"{error} {ended.output}" and (error is None or isinstance(error, StewardError | SystemExit))


def write_config(path: Path, **fields: object) -> Path:
    llama = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8}
    path.write_text(json.dumps({**llama, "intermediate_size": 14336, "vocab_size": 128256, **fields}))
    return path


def test_p01_weights_are_planned_in_the_format_they_are_published_in(tmp_path: Path) -> None:
    """deepseek-ai/DeepSeek-R1's config.json says FP8, its model card serves it on 8 x H200."""
    wanted = Requirements(rate=1, input_tokens=1024, output_tokens=256)
    plan = make_plan(DeploymentSpec(model="deepseek-r1", gpu="h200"), wanted, None, None)
    assert plan.chosen is not None and plan.chosen.precision == "fp8" and plan.chosen.gpus == 8
    path = write_config(tmp_path / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    plan = make_plan(DeploymentSpec(model=str(path), gpu="l4"), wanted, None, None)
    assert plan.chosen is not None and plan.chosen.precision == "int4"
    told = make_plan(DeploymentSpec(model=str(path), gpu="l4", precision="fp8"), wanted, None, None)
    assert told.chosen is not None and told.chosen.precision == "fp8"


def test_p03_what_is_not_understood_of_a_configuration_is_said(tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", model_type="brandnew", cross_layer_rank=64)
    load = Load(kind="closed", concurrency=4, input_tokens=100, output_tokens=20)
    made = forecast(DeploymentSpec(model=str(path), gpu="h100"), load, None)
    assert any("cross_layer_rank: not understood" in item.value for item in made.assumptions)


def test_p03_an_encoder_is_declined_with_exit_3(tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", model_type="bert")
    ended = inside("plan", "--model", str(path), *WANTED)
    assert ended.returncode == 3 and "is an encoder: it generates no tokens" in ended.stderr
