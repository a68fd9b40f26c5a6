"""Mixers and experts by hand."""

from typing import Any

import pytest

from steward.capacity.model_config import build_model


def read(**fields: Any) -> Any:
    return build_model(fields, name="m", source="test")


def test_a_mamba_2_mixer_by_hand() -> None:
    """Nemotron-H: in = 4096 x (2 x 8192 + 2 x 8 x 128 + 128), convolution of 10,240 channels by 4, out 8192 x 4096."""
    model = read(model_type="nemotron_h", hybrid_override_pattern="M*-", num_hidden_layers=3)
    assert model.mixer_params == 4096 * 18_560 + 10_240 * 4 + 8192 * 4096
    assert model.state_bytes == 2 * 8192 * 128 + 2 * 10_240 * 3
    wide = read(
        model_type="nemotron_h", hybrid_override_pattern="M*-", num_hidden_layers=3, mamba_ssm_cache_dtype="float32"
    )
    assert wide.state_bytes == 4 * 8192 * 128 + 2 * 10_240 * 3


def test_a_delta_net_by_hand() -> None:
    """Qwen3-Next: 32 value heads keep 128 x 128 each, 8192 channels pass a convolution of 4."""
    model = read(model_type="qwen3_next")
    assert model.state_bytes == 2 * 32 * 128 * 128 + 2 * 8192 * 3
    assert model.attention_extra == 2048 * 16 * 256  # the gate that queries bring


@pytest.mark.parametrize(
    ("fields", "moe"),
    [  # layers with experts, of 32
        ({"model_type": "mixtral"}, 32), ({"model_type": "jamba"}, 16),
        ({"model_type": "deepseek_v3", "first_k_dense_replace": 3}, 29),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 2}, 16),
        ({"model_type": "qwen3_moe", "mlp_only_layers": [0, 1]}, 30),
        ({"model_type": "ernie4_5_moe", "moe_layer_start_index": 1, "moe_layer_interval": 1}, 31),
        ({"model_type": "glm4_moe", "mlp_layer_types": ["dense"] * 4 + ["sparse"] * 28}, 28),
        ({"model_type": "llama4_text", "moe_layers": list(range(1, 32, 2))}, 16),
    ],
)  # fmt: skip
def test_layers_with_experts_are_counted_as_each_family_says_them(fields: dict[str, Any], moe: int) -> None:
    assert read(**fields, num_hidden_layers=32).moe_layers == moe


def test_shared_experts_add_up() -> None:
    assert read(model_type="deepseek_v3", n_shared_experts=2, moe_intermediate_size=100).shared_intermediate == 200
    assert read(model_type="qwen2_moe", shared_expert_intermediate_size=5632).shared_intermediate == 5632
    assert read(model_type="ernie4_5_moe", moe_num_shared_experts=0).shared_intermediate == 0


def test_layers_that_share_a_cache_keep_one_less() -> None:
    """Gemma 3n E4B: the last 15 of 35 layers use the cache of earlier ones."""
    model = read(model_type="gemma3n_text", num_hidden_layers=35, num_kv_shared_layers=15)
    assert model.attentions == 35 and model.caches == 20
