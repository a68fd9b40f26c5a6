"""Tables of measurements: what is read, what is declined, and how errors are counted."""

from pathlib import Path

import msgspec
import pytest

from steward.capacity.measurements import (
    MetricError,
    predict_measurement,
    read_measurements,
    read_shipped_measurements,
    summarize_errors,
    validate,
)
from steward.capacity.predict import Load
from steward.capacity.step_time import load_shipped_terms
from steward.core.errors import InputError

HEAD = (
    "model,gpu,gpu_count,precision,engine,parallelism,input_len,output_len,load_type,load_value,output_tok_s,"
    "tpot_ms_mean,notes\n"
)
GOOD = "Llama-3.1-8B,H100,1,bf16,vllm,tp1,512,128,closed_loop_concurrency,8,800,NaN,\n"


def table(folder: Path, *rows: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(HEAD + "".join(rows))
    return path


def test_the_shipped_rows_are_predicted_within_the_reaches() -> None:
    found = validate(read_shipped_measurements(), (), lambda _: load_shipped_terms())
    errors = {name: item.median_error for name, item in found.metrics.items()}
    assert found.rows == 348 and not found.declined
    assert errors["output_tok_s"] < 0.10 and errors["tpot_ms"] < 0.15 and errors["ttft_ms"] < 0.25


def test_empty_cells_and_nan_are_no_measurements(tmp_path: Path) -> None:
    rows, declined = read_measurements(table(tmp_path, GOOD))
    assert not declined and rows[0].measured == {"output_tok_s": 800.0}


def test_a_tenth_may_be_declined_and_the_rest_counts_as_an_error_of_one(tmp_path: Path) -> None:
    bad = GOOD.replace("H100", "Z80")
    rows, declined = read_measurements(table(tmp_path, *[GOOD] * 8, bad, bad))
    found = validate(rows, declined, lambda _: load_shipped_terms())
    assert found.rows == 10 and found.declined == {"unknown GPU 'Z80'": 2}
    assert found.metrics["output_tok_s"].n == 9 and found.metrics["output_tok_s"].p90_error == 1.0


def test_rows_per_gpu_count_for_all_of_them(tmp_path: Path) -> None:
    row = "Llama-2-70b,H100,4,fp8,TensorRT-LLM,tp4,128,128,static_batch,64,100,,out tok/s PER GPU\n"
    assert read_measurements(table(tmp_path, row))[0][0].measured["output_tok_s"] == 400
    for count in ("1", ""):
        (one,), _ = read_measurements(table(tmp_path, row.replace("H100,4,", f"H100,{count},").replace("tp4", "")))
        assert one.measured["output_tok_s"] == 100


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("open_loop_qps", "4", "open"), ("open_loop_qps", "INF", "open"), ("closed_loop_concurrency", "8", "closed"),
        ("static_batch", "16", "static"), ("max_throughput_offline", "inf", "offline"), ("burst_n", "20", "open"),
        ("concurrency", "3", "closed"), ("request_rate", "3", "open"),
    ],
)  # fmt: skip
def test_loads_are_understood(tmp_path: Path, kind: str, value: str, meant: str) -> None:
    row = GOOD.replace("closed_loop_concurrency,8", f"{kind},{value}")
    assert read_measurements(table(tmp_path, row))[0][0].load.kind == meant


@pytest.mark.parametrize(
    ("precision", "meant", "kv_bytes"),
    [
        ("FP8", "fp8", 2.0), ("bf16 + fp8 kv", "bf16", 1.0), ("Mixed", "bf16", 2.0), ("W4A16", "int4", 2.0),
        ("NVFP4", "fp4", 1.0), ("default", "bf16", 2.0), ("", "bf16", 2.0), ("GGUF Q4_K_M", "q4_k_m", 2.0),
    ],
)  # fmt: skip
def test_precisions_are_understood(tmp_path: Path, precision: str, meant: str, kv_bytes: float) -> None:
    row = read_measurements(table(tmp_path, GOOD.replace(",bf16,", f",{precision},")))[0][0]
    assert (row.deployment.precision.name, row.deployment.kv_bytes) == (meant, kv_bytes)


@pytest.mark.parametrize(
    ("parallelism", "count", "tp", "pp", "gpus"),
    [
        ("tp4", "4", 4, 1, 4), ("TP=2 PP=2", "4", 2, 2, 4), ("", "8", 8, 1, 8), ("tp8 dp8", "8", 1, 1, 8),
        ("", "", 1, 1, 1), ("tp4 pp2 attn_dp2", "8", 2, 2, 8),
        ("pp2 attn_dp2", "8", 2, 2, 8), ("tp2", "8", 2, 1, 2), ("tp4", "", 4, 1, 4),
        ("tp2 pp1 attn_dp1 moe_tp1 moe_ep1", "2.0", 2, 1, 2),
    ],
)  # fmt: skip
def test_degrees_are_understood(tmp_path: Path, parallelism: str, count: str, tp: int, pp: int, gpus: int) -> None:
    row = read_measurements(table(tmp_path, GOOD.replace("H100,1,", f"H100,{count},").replace("tp1", parallelism)))[0][
        0
    ]
    assert (row.deployment.tp, row.deployment.pp, row.deployment.gpus) == (tp, pp, gpus)


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column model, gpu"):
        read_measurements(path)


def test_p06_validation_says_how_many_rows_lie_inside_their_interval(tmp_path: Path) -> None:
    """Two rows of which one is predicted 20 times too slow: half of them lie inside."""
    far = GOOD.replace(",800,", ",16000,")
    rows, _ = read_measurements(table(tmp_path, GOOD, far))
    found = validate(rows, (), lambda _: load_shipped_terms(), lambda _: {"output_tok_s": (0.5, 2.0)})
    assert found.coverage == {"output_tok_s": 0.5, "ttft_ms": None, "tpot_ms": None}
    assert validate(rows, (), lambda _: load_shipped_terms()).coverage["output_tok_s"] is None


def test_a_source_is_who_measured() -> None:
    assert {row.source for row in read_shipped_measurements()} >= {"NVIDIA", "ai-dynamo", "gpustack"}


def test_a_closed_loop_of_so_many_requests_has_its_rounds(tmp_path: Path) -> None:
    rows, _ = read_measurements(table(tmp_path, GOOD.replace("NaN,", "NaN,300 prompts")))
    assert rows[0].load.rounds == 300 // 8
    few, _ = read_measurements(table(tmp_path, GOOD.replace("NaN,", "NaN,8 prompts")))
    assert few[0].load.rounds == 2
    plain, _ = read_measurements(table(tmp_path, GOOD))
    assert plain[0].load.rounds == 10


@pytest.mark.parametrize(
    ("cells", "load"),
    [
        ("open_loop_qps,4", ("open", 4.0, 0, 0)), ("closed_loop_concurrency,8", ("closed", 0.0, 8, 0)),
        ("static_batch,16", ("static", 0.0, 16, 0)), ("burst_n,20", ("open", float("inf"), 0, 20)),
        ("open_loop_qps,INF", ("open", float("inf"), 0, 500)), ("max_throughput_offline,64", ("offline", 0.0, 0, 64)),
        ("max_throughput_offline,1", ("offline", 0.0, 0, 0)), ("max_throughput_offline,2", ("offline", 0.0, 0, 2)),
        ("static_batch,", ("static", 0.0, 1, 0)), ("closed_loop_concurrency,1", ("closed", 0.0, 1, 0)),
        ("closed_loop_concurrency,0", ("closed", 0.0, 1, 0)),
    ],
)  # fmt: skip
def test_a_load_has_its_numbers(tmp_path: Path, cells: str, load: tuple[str, float, int, int]) -> None:
    found = read_measurements(table(tmp_path, GOOD.replace("closed_loop_concurrency,8", cells)))[0][0].load
    assert (found.kind, found.rate, found.concurrency, found.requests) == load


@pytest.mark.parametrize("bad", ["512,128|0,128", "512,128|512,", "closed_loop_concurrency,8|odd,many"])
def test_rows_that_say_nothing_are_declined(tmp_path: Path, bad: str) -> None:
    old, new = bad.split("|")
    rows, declined = read_measurements(table(tmp_path, GOOD.replace(old, new)))
    assert not rows and len(declined) == 1 and declined[0].metrics == ("output_tok_s",)


def test_errors_are_summed_up_by_median_and_ninth_tenth() -> None:
    assert summarize_errors([]) == MetricError(0, None, None)
    found = summarize_errors([0.1 * n for n in range(10)])
    assert found.n == 10 and found.median_error == pytest.approx(0.45) and found.p90_error == pytest.approx(0.9)


def test_rows_are_named_by_their_id_or_their_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("row_id," + HEAD + "a7," + GOOD + "," + GOOD + "," + GOOD.replace("H100", "Z80"))
    rows, declined = read_measurements(path)
    assert [row.id for row in rows] == ["a7", "2"] and [row.id for row in declined] == ["3"]


def test_nothing_measured_is_no_measurement(tmp_path: Path) -> None:
    assert read_measurements(table(tmp_path, GOOD.replace(",800,", ",0,")))[0][0].measured == {}


@pytest.mark.parametrize(
    ("precision", "notes", "kv_bytes"),
    [("fp8", "kv cache fp8", 1.0), ("fp8", "fp8 kv", 1.0), ("fp8", "", 2.0), ("bf16", "kv cache fp8", 2.0)],
)
def test_notes_say_of_an_8_bit_checkpoint_that_its_cache_is_too(
    tmp_path: Path, precision: str, notes: str, kv_bytes: float
) -> None:
    row = GOOD.replace(",bf16,", f",{precision},").replace("NaN,", f"NaN,{notes}")
    assert read_measurements(table(tmp_path, row))[0][0].deployment.kv_bytes == kv_bytes


@pytest.mark.parametrize(
    ("model", "parallelism", "split"),
    [
        ("Mixtral-8x7B", "tp2 moe_tp2 moe_ep3", 6), ("Mixtral-8x7B", "tp2 moe_tp2", 2), ("Mixtral-8x7B", "tp2", 0),
        ("Llama-3.1-8B", "tp2 moe_tp2 moe_ep3", 0),
    ],
)  # fmt: skip
def test_experts_are_split_as_the_row_says(tmp_path: Path, model: str, parallelism: str, split: int) -> None:
    row = GOOD.replace("Llama-3.1-8B", model).replace("tp1", parallelism).replace("H100,1", "H100,")
    assert read_measurements(table(tmp_path, row))[0][0].deployment.moe_split == split


@pytest.mark.parametrize(("clients", "running"), [(0, 8), (8, 8), (12, 12)])
def test_what_ran_did_fit_with_room_for_its_requests_or_eight(tmp_path: Path, clients: int, running: int) -> None:
    """70B in 16 bit does not fit one H100 by the memory model; TensorRT-LLM takes room at the full length."""
    row = "Llama-3.1-70B,H100,1,bf16,tensorrt-llm,tp1,100,50,max_throughput_offline,inf,100,,\n"
    measured = read_measurements(table(tmp_path, row))[0][0]
    load = Load(kind="offline", input_tokens=100, output_tokens=50, concurrency=clients)
    found = predict_measurement(msgspec.structs.replace(measured, load=load), load_shipped_terms())
    assert found.running == running
