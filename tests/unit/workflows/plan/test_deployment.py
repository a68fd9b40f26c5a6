"""A deployment as a user names it."""

from pathlib import Path

import pytest

from steward.capacity.catalog import find_model
from steward.core.errors import InputError, UnknownName
from steward.workflows.plan.deployment import (
    DeploymentSpec,
    parse_kv_precision,
    resolve_accelerators,
    resolve_deployment,
    resolve_engine,
    resolve_model,
    resolve_precisions,
)

LLAMA = find_model("llama-3.1-8b").model


def spec(**more: object) -> DeploymentSpec:
    return DeploymentSpec(**{"model": "llama-3.1-8b", "gpu": "h100", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "tp", "pp"),
    [({}, 1, 1), ({"count": 4}, 4, 1), ({"count": 4, "pp": 2}, 2, 2), ({"tp": 8}, 8, 1), ({"tp": 2, "pp": 2}, 2, 2)],
)
def test_a_count_is_split_into_degrees(asked: dict[str, int], tp: int, pp: int) -> None:
    made = resolve_deployment(spec(**asked), LLAMA)
    assert (made.tp, made.pp, made.gpus) == (tp, pp, tp * pp)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"gpu": None}, "--gpu is missing"), ({"tp": 2, "count": 3}, "makes 2 accelerators, but --count is 3"),
        ({"tp": 3}, "does not divide the 32 heads of Llama-3.1-8B; choose one of 1, 2, 4, 8"),
        ({"pp": 33}, "more than the 32 layers"), ({"kv_precision": "int3"}, "expected fp8 or bf16"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_says_what_would(asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        resolve_deployment(spec(**asked), LLAMA)


def test_all_layers_may_be_stages() -> None:
    assert resolve_deployment(spec(pp=32), LLAMA).pp == 32


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, "vllm"),
        ({"gpu": "cpu"}, "embedded"),
        ({"engine": "sglang"}, "sglang"),
        ({"engine": "trtllm"}, "tensorrt-llm"),
    ],
)
def test_the_engine_is_vllm_and_on_a_cpu_the_embedded_one(asked: dict[str, str], meant: str) -> None:
    assert resolve_engine(spec(**asked)).name == meant


def test_p05_a_version_is_told_or_stands_in_the_engines_name() -> None:
    copies = [
        resolve_engine(spec(**asked)).sampler_copies
        for asked in ({"engine_version": "0.11"}, {"engine": "vLLM 0.11.2"}, {"engine_version": "0.19"}, {})
    ]
    assert copies == [9.07, 9.07, 3.5, 3.5]
    with pytest.raises(UnknownName, match="engine"):
        resolve_engine(spec(engine="abacus"))


@pytest.mark.parametrize(("text", "size"), [("fp8", 1.0), ("int8", 1.0), ("bf16", 2.0), ("auto", 2.0), (None, None)])
def test_the_caches_format_is_a_number_of_bytes(text: str | None, size: float | None) -> None:
    assert parse_kv_precision(spec(kv_precision=text)) == size


def test_names_may_be_lists_and_none_means_all_that_are_measured_or_alike() -> None:
    assert [gpu.name for gpu in resolve_accelerators(spec(gpu="h100, l4"), {})] == ["H100-SXM-80GB", "L4"]
    everything = resolve_accelerators(spec(gpu=None), {})
    assert {gpu.vendor for gpu in everything} == {"NVIDIA", "AMD"} and len(everything) > 90
    assert [item.name for item in resolve_precisions(spec(precision="fp8,int4"), LLAMA)] == ["fp8", "int4"]
    assert [item.name for item in resolve_precisions(spec(model="x-awq"), LLAMA)] == ["int4"]


def test_engine_limits_are_passed_on() -> None:
    made = resolve_deployment(spec(max_num_seqs=7, max_batched_tokens=99, utilisation=0.5), LLAMA)
    assert (made.max_num_seqs, made.max_batched_tokens, made.utilisation) == (7, 99, 0.5)


def test_a_folder_or_a_file_is_a_models_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert resolve_model(str(tmp_path)).how == resolve_model(str(tmp_path / "config.json")).how == "file"
    assert resolve_model("llama-3.1-8b").how == "exact"


@pytest.mark.parametrize("version", ["banana", "0", "latest"])
def test_p5_an_engine_version_that_says_no_release_is_refused(version: str) -> None:
    """vLLM's releases are of the kind 0.11.0 (https://github.com/vllm-project/vllm/releases)."""
    with pytest.raises(InputError, match="expected a release such as"):
        resolve_engine(DeploymentSpec(model="llama-3.1-8b", engine_version=version))
    resolve_engine(DeploymentSpec(model="llama-3.1-8b", engine_version="v0.11.0+flashinfer"))
