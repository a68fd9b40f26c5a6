"""Which terms a deployment's own rows may move."""

import msgspec

from steward.capacity.calibrate import calibrate, choose_free_terms, describe_deployment, describe_family
from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.measurements import Measurement
from steward.capacity.predict import Load
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import Terms


def row(
    model: str = "llama-3.1-8b", gpu: str = "h100", precision: str = "bf16", engine: str = "vllm", tp: int = 1,
    kind: str = "closed",
) -> Measurement:  # fmt: skip
    deployment = build_deployment(
        find_model(model).model, find_accelerator(gpu), find_precision(precision), ENGINES[engine], tp
    )
    load = Load(kind=kind, concurrency=4, input_tokens=100, output_tokens=10)  # type: ignore[arg-type]
    return Measurement(id="1", group="g", deployment=deployment, load=load, measured={"tpot_ms": 5.0})


def test_terms_follow_what_the_deployment_uses() -> None:
    alone = choose_free_terms([row()])
    assert {"matrix_16", "layer_python_us", "stall", "request_ms"} <= set(alone)
    assert not {"allreduce_us", "link", "expert", "layer_compiled_us", "matrix_8"} & set(alone)


def test_several_accelerators_have_a_link_and_experts_their_own_terms() -> None:
    assert {"allreduce_us", "link"} <= set(choose_free_terms([row(tp=2)]))
    assert {"expert", "expert_matrix", "moe_layer_us"} <= set(choose_free_terms([row("qwen3-30b-a3b")]))


def test_a_format_moves_the_rate_that_multiplies_it() -> None:
    assert "matrix_8" in choose_free_terms([row(precision="fp8")])
    assert "matrix_16" in choose_free_terms([row(precision="fp8", gpu="v100")])  # has no such rate: 16 bit multiplies
    assert "matrix_8" in choose_free_terms([row(precision="int8", gpu="a100")])  # in 8-bit integers
    assert "layer_compiled_us" in choose_free_terms([row(engine="tensorrt-llm")])


def test_a_cpu_may_be_far_from_what_was_shipped() -> None:
    found, usual = choose_free_terms([row("starter", engine="embedded")]), choose_free_terms([row()])
    assert found["step_us"] > 2 * usual["step_us"] and found["bandwidth"] > 3 * usual["bandwidth"]


def test_static_batches_say_nothing_of_queues() -> None:
    assert not {"stall", "request_ms"} & set(choose_free_terms([row(kind="static")]))


def test_a_calibration_is_kept_by_deployment_and_family() -> None:
    deployment = row(tp=2).deployment
    assert describe_deployment(deployment) == "Llama-3.1-8B bf16, 2 x H100-SXM-80GB, vllm tp2"
    split = msgspec.structs.replace(deployment, pp=2, dp=2)
    assert describe_deployment(split) == "Llama-3.1-8B bf16, 8 x H100-SXM-80GB, vllm tp2 pp2 dp2"
    assert describe_family(deployment) == "Llama-3.1-8B bf16, H100-SXM-80GB, vllm"


def test_experts_and_links_may_differ_by_half_and_more() -> None:
    """Log-normal widths: kernels of experts and links between accelerators vary far more than bandwidth."""
    found = choose_free_terms([row("qwen3-30b-a3b", tp=2)])
    assert {name: found[name] for name in ("expert", "expert_matrix", "moe_layer_us", "allreduce_us", "link")} == {
        "expert": 0.5, "expert_matrix": 0.5, "moe_layer_us": 0.6, "allreduce_us": 0.7, "link": 0.4,
    }  # fmt: skip
    assert found["bandwidth"] == 0.15 and found["matrix_16"] == 0.3 and found["layer_python_us"] == 0.5


def test_three_rows_are_enough_and_ten_are_checked_on_rows_they_did_not_see() -> None:
    """Two in each of the five folds are the least."""
    batches = [
        msgspec.structs.replace(
            row(kind="static"),
            id=str(size),
            load=Load(kind="static", concurrency=size, input_tokens=9, output_tokens=9),
        )
        for size in range(1, 11)
    ]
    assert calibrate(batches[:3], Terms()).rows == 3
    assert calibrate(batches[:9], Terms()).held_out is None
    assert calibrate(batches, Terms()).held_out is not None
    assert calibrate(batches, Terms(), cross=False).held_out is None


def test_what_differs_between_gpus_is_less_than_a_factor_of_e_and_a_cpus_steps_are_anybodys_guess() -> None:
    """Physics is narrow, kernels and clients are wide; nothing shipped was measured on a CPU."""
    usual, cpu = choose_free_terms([row()]), choose_free_terms([row("starter", engine="embedded")])
    assert all(0.1 < width <= 1.0 for width in usual.values())
    assert usual["bandwidth"] <= usual["overlap"] <= usual["kv_bandwidth"] <= usual["scale"] <= usual["attention"]
    assert usual["attention"] < usual["step_us"] <= usual["stall"] < usual["sequence_us"] < usual["request_ms"]
    assert all(cpu[name] <= 1.0 for name in ("bandwidth", "scale", "attention", "overlap"))
    assert cpu["request_ms"] < cpu["step_us"] <= 2.0 and cpu["step_us"] < cpu["sequence_us"] <= 4.0


def test_the_front_of_the_server_that_was_measured_is_free() -> None:
    one = row(engine="tensorrt-llm")
    native = msgspec.structs.replace(
        one.deployment, engine=msgspec.structs.replace(one.deployment.engine, front="native")
    )
    behind = msgspec.structs.replace(one, deployment=native)
    assert "request_native_ms" in choose_free_terms([behind]) and "request_ms" not in choose_free_terms([behind])
    assert "request_ms" in choose_free_terms([one]) and "request_native_ms" not in choose_free_terms([one])
    assert choose_free_terms([behind])["request_native_ms"] == choose_free_terms([one])["request_ms"] == 1.0
