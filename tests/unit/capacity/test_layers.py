"""Mixers and experts by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from steward.capacity.layers import LayerPlan, describe_mixer, list_kinds, plan_layers
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


class Given:
    """A configuration's fields, without a family's defaults."""

    mixed = False

    def __init__(self, family: str = "x", **fields: Any) -> None:
        self.family = family
        self.fields: Mapping[str, Any] = fields

    def get(self, *names: str) -> Any:
        return next((self.fields[name] for name in names if self.fields.get(name) is not None), None)

    def count(self, *names: str) -> int:
        return int(self.get(*names) or 0)


def plan(layers: int, family: str = "x", **fields: Any) -> LayerPlan:
    found = plan_layers(Given(family, **fields), layers, 7)
    assert found is not None
    return found


def letters(layers: int, family: str = "x", **fields: Any) -> str:
    """The first letters of the kinds: full, sliding, mixer, both, none."""
    kinds = list_kinds(Given(family, **fields), layers)
    return "?" if kinds is None else "".join(kind[0] for kind in kinds)


def test_a_short_convolution_by_hand() -> None:
    """LFM2, hidden 10, 3 taps: in 10 x 30, out 10 x 10, 10 channels of 3; two earlier values of each in 16 bit."""
    assert describe_mixer(Given(conv_L_cache=3), 10) == (300 + 100 + 30, 2 * 10 * 2)


def test_a_gated_linear_recurrence_by_hand() -> None:
    """RecurrentGemma, hidden 10, width 12 in 3 blocks: three projections, two gates of 3 x 4 x 4, 4 taps; a state in 32
    bit and three earlier values of each channel in 16."""
    given = Given("recurrent_gemma", lru_width=12, num_attention_heads=3)
    assert describe_mixer(given, 10) == (3 * 120 + 2 * 48 + 48, 4 * 12 + 2 * 12 * 3)


def test_a_delta_net_that_is_not_square_by_hand() -> None:
    """Hidden 7, 2 key heads of 3, 4 value heads of 5, 3 taps: 6 keys, 6 queries and 20 values pass the convolution; a
    gate and the output have 20 x 7, decay and beta 4 x 7 each; a state of 4 x 3 x 5."""
    fields = {
        "linear_num_key_heads": 2, "linear_key_head_dim": 3, "linear_num_value_heads": 4, "linear_value_head_dim": 5,
        "linear_conv_kernel_dim": 3,
    }  # fmt: skip
    params = 7 * (6 + 6 + 20) + 7 * 20 + 20 * 7 + 2 * 4 * 7 + 32 * 3
    assert describe_mixer(Given(**fields), 7) == (params, 2 * 60 + 2 * 32 * 2)
    assert describe_mixer(Given(**fields, mamba_ssm_dtype="float32"), 7) == (params, 4 * 60 + 2 * 32 * 2)


def test_a_kimi_delta_attention_by_hand() -> None:
    """Hidden 7, 3 heads of 5: queries, keys, values and output 7 x 15, two gates through 5, beta 7 x 3, convolutions of
    2 and, where nothing is said, 4 taps; a state of 15 x 5 in 32 bit."""
    config = {"num_heads": 3, "head_dim": 5}
    plain = 4 * 7 * 15 + 2 * (7 * 5 + 5 * 15) + 7 * 3
    assert describe_mixer(Given(linear_attn_config={**config, "short_conv_kernel_size": 2}), 7) == (
        plain + 3 * 15 * 2, 4 * 75 + 2 * 3 * 15,
    )  # fmt: skip
    assert describe_mixer(Given(linear_attn_config=config), 7) == (plain + 3 * 15 * 4, 4 * 75 + 2 * 3 * 15 * 3)
    assert describe_mixer(Given("kimi_linear", linear_num_heads=3, linear_head_dim=5), 7) == (
        plain + 3 * 15 * 4, 4 * 75 + 2 * 3 * 15 * 3,
    )  # fmt: skip


def test_a_lightning_attention_by_hand() -> None:
    """MiniMax, hidden 15, 3 heads: queries, keys, values, gate and output; a state of each head in 32 bit."""
    assert describe_mixer(Given("minimax", num_attention_heads=3), 15) == (5 * 15 * 15, 4 * 3 * 25)
    assert describe_mixer(Given("minimax", num_attention_heads=3, head_dim=4), 15) == (5 * 15 * 12, 4 * 3 * 16)


def test_a_mamba_2_mixer_without_head_width_by_hand() -> None:
    """Hidden 7, expanded twice, 2 heads, a state of 3, one group, 4 taps unless said otherwise."""
    given = Given(mamba_n_heads=2, mamba_d_state=3, mamba_expand=2)
    assert describe_mixer(given, 7) == (7 * (2 * 14 + 2 * 3 + 2) + 20 * 4 + 14 * 7, 2 * 14 * 3 + 2 * 20 * 3)
    two = Given(mamba_n_heads=2, mamba_d_state=3, mamba_expand=2, mamba_n_groups=2, mamba_d_conv=2)
    assert describe_mixer(two, 7) == (7 * (2 * 14 + 4 * 3 + 2) + 26 * 2 + 14 * 7, 2 * 14 * 3 + 2 * 26)


def test_a_mamba_1_mixer_by_hand() -> None:
    """Hidden 33, expanded twice, a state of 3, 4 taps unless said otherwise, a rank of a sixteenth, rounded up."""
    given = Given(mamba_d_state=3, mamba_expand=2)
    assert describe_mixer(given, 33) == (33 * 132 + 66 * (4 + 3 * 3 + 2 * 3) + 66 * 33, 2 * 66 * 3 + 2 * 66 * 3)
    short = Given(mamba_d_state=3, mamba_expand=2, mamba_d_conv=2, mamba_dt_rank=5)
    assert describe_mixer(short, 33) == (33 * 132 + 66 * (2 + 3 * 3 + 2 * 5) + 66 * 33, 2 * 66 * 3 + 2 * 66)


def test_a_mixer_whose_kind_is_not_known_has_no_size() -> None:
    assert describe_mixer(Given(mamba_d_state=3), 7) is None and describe_mixer(Given(mamba_expand=2), 7) is None
    assert plan_layers(Given(layer_types=["mamba", "attention"]), 2, 7) is None


@pytest.mark.parametrize(
    ("kinds", "family", "fields"),
    [
        ("fff", "x", {}), ("fff", "x", {"layer_types": []}), ("?", "x", {"rwkv_heads": 3}),
        ("mfm", "x", {"layer_types": ["mamba", "attention"]}), ("mf", "x", {"attn_type_list": [0, 1, 0]}),
        ("mfn", "x", {"hybrid_override_pattern": "M*-"}), ("bb", "falcon_h1", {}),
        ("mmmfmmmf", "qwen3_next", {}), ("mmfmmf", "qwen3_5_moe", {"full_attention_interval": 3}),
        ("mfmm" * 2, "x", {"attn_layer_period": 4, "attn_layer_offset": 1}),
        ("mmfmf", "x", {"full_attn_idxs": [2, 4]}), ("mmmfmmmf", "x", {"layer_group_size": 4}),
        ("mmmmmf", "bailing_hybrid", {}), ("mfmf", "minimax", {}),
        ("mfmmf", "x", {"linear_attn_config": {"full_attn_layers": [2, 5]}}),
        ("sfsf", "gemma2", {"sliding_window": 8}), ("fsssfsss", "cwm", {"sliding_window": 8}),
        ("ssfssf", "gemma2", {"sliding_window": 8, "sliding_window_pattern": 3}),
        ("sfsf", "gemma2", {"sliding_window": 8, "_sliding_window_pattern": 3}),
        ("ssfss", "x", {"sliding_window": 8, "global_attn_every_n_layers": 3}),
        ("sssf", "x", {"sliding_window": 8, "sliding_window_pattern": "LLLG"}),
        ("ssss", "x", {"sliding_window": 8, "sliding_window_pattern": 0}),
        ("ffff", "x", {"sliding_window": 8, "use_sliding_window": False}),
        ("ffss", "qwen2", {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2}),
        ("fff", "llama4_text", {"sliding_window": 8}), ("sssf", "llama4_text", {"attention_chunk_size": 8}),
        ("fnf", "x", {"block_configs": [{"attention": {"n_heads_in_group": 8}}, {"attention": {}},
                                        {"attention": {"n_heads_in_group": 4}}]}),
    ],
)  # fmt: skip
def test_layers_in_order_by_the_rule_of_their_family(kinds: str, family: str, fields: dict[str, Any]) -> None:
    assert letters(1 if kinds == "?" else len(kinds), family, **fields) == kinds


def test_one_expert_is_none() -> None:
    assert plan(4, num_experts=1).moe == 0 and plan(4, num_experts=2).moe == 4


def test_sliding_layers_are_no_more_than_those_with_a_cache() -> None:
    """Gemma 3n E4B: 28 of 35 layers slide, and 20 keep a cache."""
    model = read(model_type="gemma3n_text", num_hidden_layers=35, num_kv_shared_layers=15)
    assert model.sliding_layers == 20


def test_widths_of_pruned_layers_are_rounded_up_to_256() -> None:
    """Llama-Nemotron: two thirds of the multiple of the hidden size; a part without a multiple is none."""
    parts: list[dict[str, Any]] = [{"ffn": {"ffn_mult": 1.0}}] * 2 + [{"ffn": {"ffn_mult": None}}, {}]
    blocks = [{"attention": {"n_heads_in_group": 1}, **part} for part in parts]
    for hidden, width in ((384, 256), (386, 512)):
        found = plan_layers(Given(block_configs=blocks), 4, hidden)
        assert found is not None and (found.ffn, found.ffn_width) == (2, width)


@pytest.mark.parametrize(
    ("moe", "fields"),
    [  # layers with experts, of 8
        (2, {"expert_layer_period": 4, "expert_layer_offset": 1}), (2, {"decoder_sparse_step": 3}),
        (1, {"moe_layer_start_index": 0, "moe_layer_end_index": 0}), (8, {"moe_layer_end_index": -1}),
        (3, {"moe_layer_start_index": 2, "moe_layer_end_index": 4}), (3, {"moe_layer_freq": [0, 1, 1, 1, 0, 0, 0, 0]}),
    ],
)  # fmt: skip
def test_layers_with_experts_by_hand(moe: int, fields: dict[str, Any]) -> None:
    assert plan(8, num_experts=4, **fields).moe == moe


def test_nemotrons_experts_stand_in_layers_of_their_own() -> None:
    found = plan(
        4, "nemotron_h", hybrid_override_pattern="M*E-", n_routed_experts=4, mamba_num_heads=2, mamba_expand=2,
        ssm_state_size=3, moe_intermediate_size=50, moe_shared_expert_intermediate_size=100, n_shared_experts=2,
    )  # fmt: skip
    assert (found.ffn, found.moe, found.mixers, found.attention, found.shared_width) == (2, 1, 1, 1, 200)


def test_a_stated_width_of_shared_experts_is_that_of_all() -> None:
    shared = {"num_experts": 4, "moe_intermediate_size": 50, "moe_shared_expert_intermediate_size": 100}
    assert plan(4, **shared, n_shared_experts=2).shared_width == 100
    assert plan(1, "nemotron_h", hybrid_override_pattern="*", **shared).shared_width == 0  # no layer has experts
    assert plan(2, "nemotron_h", hybrid_override_pattern="*E", **shared).shared_width == 100
    assert plan(4, num_experts=4, moe_intermediate_size=50, shared_intermediate_size=70).shared_width == 70
    assert plan(4, "llama4_text", num_experts=4, moe_intermediate_size=50).shared_width == 50
    assert plan(4, num_experts=4, moe_intermediate_size=50, num_shared_experts=3).shared_width == 150
