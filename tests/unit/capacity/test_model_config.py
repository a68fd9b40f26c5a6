"""Configurations read by family, against transformers 5.24 and what authors publish."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from steward.capacity.catalog import Model, find_model
from steward.capacity.model_config import CannotRead, build_model, read_config
from steward.core.errors import InputError

LLAMA = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
         "intermediate_size": 14336, "vocab_size": 128256}  # fmt: skip
SIZES: dict[str, int] = json.loads(Path(__file__).with_name("transformers_sizes.json").read_text())


def read(**fields: Any) -> Model:
    return build_model(fields, name="m", source="test")


@pytest.mark.parametrize("family", sorted(SIZES))
def test_a_family_has_the_parameters_that_transformers_builds(family: str) -> None:
    """Parameters of AutoModelForCausalLM.from_config(AutoConfig.for_model(family)), transformers 5.24.0, on the meta
    device; ours leave out norms and biases."""
    assert read(model_type=family).params == pytest.approx(SIZES[family], rel=0.03)


def test_p02_hybrids_keep_kv_in_their_attention_layers_only() -> None:
    nemotron = read(
        model_type="nemotron_h", hidden_size=4096, num_hidden_layers=52, num_attention_heads=32, num_key_value_heads=8,
        attention_head_dim=128, intermediate_size=21504, mamba_num_heads=128, mamba_head_dim=64, ssm_state_size=128,
        n_groups=8, vocab_size=131072, hybrid_override_pattern="M-M-M-M*-" + "M-M-M-M-M*-" * 3 + "M-M-M-M-M-",
    )  # fmt: skip
    assert nemotron.caches == 4 and nemotron.mixer_layers == 24  # the pattern in nvidia/Nemotron-H-8B-Base-8K
    assert nemotron.params == pytest.approx(8.1e9, rel=0.01)  # "8.1B" of its model card
    assert 2 * nemotron.caches * nemotron.kv_heads * nemotron.head_dim * 2 == 16_384
    qwen = find_model("Qwen3-Next-80B-A3B").model
    assert qwen.params == pytest.approx(79.7e9, rel=0.005)  # model card: 80B, 79B without embeddings
    assert 2 * qwen.caches * qwen.kv_heads * qwen.head_dim * 2 == 24_576


@pytest.mark.parametrize(
    ("fields", "caches"),
    [  # AI21-Jamba-Mini: 1 of 8; IBM Bamba-9B: 9, 18, 27; Granite-4.0-H lists them; LFM2-1.2B: 6 of 16; Kimi Linear: 7
        ({"model_type": "jamba", "num_hidden_layers": 32}, 4),
        ({"model_type": "bamba", "num_hidden_layers": 32, "attn_layer_indices": [9, 18, 27]}, 3),
        ({"model_type": "granitemoehybrid", "num_hidden_layers": 4, "layer_types": ["mamba"] * 3 + ["attention"]}, 1),
        ({"model_type": "lfm2", "num_hidden_layers": 16, "full_attn_idxs": [2, 5, 8, 10, 12, 14]}, 6),
        ({"model_type": "kimi_linear", "num_hidden_layers": 27,
          "linear_attn_config": {"full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "num_heads": 32, "head_dim": 128}}, 7),
        ({"model_type": "minimax", "num_hidden_layers": 8, "attn_type_list": [0] * 7 + [1]}, 1),
    ],
)  # fmt: skip
def test_p02_every_kind_of_hybrid_says_its_layers_in_its_own_way(fields: dict[str, Any], caches: int) -> None:
    model = read(**fields)
    assert model.caches == caches and model.mixer_layers == fields["num_hidden_layers"] - caches
    assert model.state_bytes > 0


def test_p02_layers_that_cannot_be_told_are_declined() -> None:
    with pytest.raises(CannotRead, match="does not say which layers keep a KV cache"):
        read(**LLAMA, model_type="newhybrid", mamba_d_state=128)
    with pytest.raises(CannotRead, match="do not follow from its config"):
        read(model_type="zamba2")
    with pytest.raises(CannotRead, match="keeps no KV cache"):
        read(model_type="mamba2")


def test_p03_falcon_shares_one_key_head() -> None:
    """tiiuae/falcon-7b's config.json, which names no KV heads: 6.9B parameters, one head of 64."""
    falcon = read(model_type="falcon", hidden_size=4544, num_hidden_layers=32, num_attention_heads=71, multi_query=True,
                  new_decoder_architecture=False, vocab_size=65024)  # fmt: skip
    assert falcon.kv_heads == 1 and falcon.head_dim == 64 and falcon.params == pytest.approx(6.92e9, rel=0.01)
    forty = read(model_type="falcon", new_decoder_architecture=True, num_kv_heads=8, num_attention_heads=128)
    assert forty.kv_heads == 8
    old = read(model_type="RefinedWebModel", n_head=71, n_layer=32, hidden_size=4544, vocab_size=65024)
    assert old.kv_heads == 1 and old.layers == 32


def test_p03_gemma_2_slides_in_every_second_layer_and_ties_its_embeddings() -> None:
    """google/gemma-2-9b's config.json says neither: 9.24B parameters with tied embeddings (Gemma 2 report, table 1)."""
    gemma = read(model_type="gemma2", hidden_size=3584, num_hidden_layers=42, num_attention_heads=16, head_dim=256,
                 num_key_value_heads=8, intermediate_size=14336, vocab_size=256000, sliding_window=4096)  # fmt: skip
    assert gemma.sliding_layers == 21 and gemma.tied and gemma.params == pytest.approx(9.24e9, rel=0.01)


def test_p03_gemma_3_leaves_its_text_part_to_defaults() -> None:
    """google/gemma-3-4b-it's config.json in full, but for the vision part: 3.88B parameters of text."""
    text = {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
            "sliding_window": 1024}  # fmt: skip
    gemma = read(model_type="gemma3", text_config=text, vision_config={"hidden_size": 1152})
    assert (gemma.heads, gemma.kv_heads, gemma.head_dim) == (8, 4, 256)
    assert gemma.sliding_layers == 29 and gemma.params == pytest.approx(3.88e9, rel=0.01)


def test_p03_ernie_names_its_experts_its_own_way() -> None:
    ernie = find_model("ERNIE-4.5-300B-A47B").model  # its name: 300 billion, 47 active
    assert (ernie.experts, ernie.experts_per_token) == (64, 8)
    assert ernie.params == pytest.approx(300e9, rel=0.01) and ernie.active_params == pytest.approx(47e9, rel=0.01)


def test_p03_widths_that_differ_between_layers_are_their_mean() -> None:
    widths = [14336] * 16 + [7168] * 16
    assert read(**LLAMA | {"intermediate_size": widths}).intermediate == 10752
    assert read(**LLAMA | {"num_key_value_heads": None, "num_key_value_heads_per_layer": [8, 4] * 16}).kv_heads == 6


def test_p03_layers_pruned_away_keep_nothing() -> None:
    """Llama-Nemotron's block_configs: attention and feed-forward parts may be no-ops."""
    kept = {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 2.625}}
    gone = {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 2.625}}
    model = read(
        model_type="nemotron-nas", hidden_size=8192, num_hidden_layers=4, num_attention_heads=64, vocab_size=128256,
        block_configs=[kept, gone, kept, gone],
    )  # fmt: skip
    assert model.caches == 2 and model.kv_heads == 8 and model.intermediate == 14336


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "deberta-v2", "t5", "bart", "whisper"])
def test_p03_models_with_an_encoder_are_declined(family: str) -> None:
    with pytest.raises(CannotRead, match="encoder"):
        read(model_type=family, **LLAMA)


def test_p03_unknown_fields_that_look_like_sizes_are_named() -> None:
    model = read(model_type="brandnew", **LLAMA, cross_layer_rank=64, ffn_router_dim=128, rope_theta=500000)
    assert model.not_read == ("cross_layer_rank", "ffn_router_dim")
    assert read(model_type="llama", **LLAMA, anything_size=3).not_read == ()


@pytest.mark.parametrize(
    ("fields", "sliding"),
    [  # sliding layers of 24, by the rule of each family's configuration class
        ({"model_type": "gpt_oss"}, 12), ({"model_type": "cohere2", "sliding_window": 4096}, 18),
        ({"model_type": "gemma3_text", "sliding_window": 512}, 20), ({"model_type": "mistral"}, 24),
        ({"model_type": "mistral", "sliding_window": None}, 24), ({"model_type": "qwen2", "sliding_window": 4096}, 0),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 20}, 4),
        ({"model_type": "exaone4", "sliding_window": 4096, "sliding_window_pattern": "LLLG"}, 18),
        ({"model_type": "llama4_text"}, 18),
    ],
)  # fmt: skip
def test_windows_follow_the_rule_of_the_family(fields: dict[str, Any], sliding: int) -> None:
    assert read(**fields, num_hidden_layers=24).sliding_layers == sliding


def test_a_config_json_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    model = read_config(path)
    assert model.params == find_model("llama-3.1-8b").model.params and model.head_dim == 128
    assert model.name == tmp_path.name and model.source == str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"), ("[1]", "expected an object"), ("{}", "missing num_hidden_layers, hidden_size"),
        (json.dumps({**LLAMA, "hidden_size": 0}), "hidden_size is 0"),
        (json.dumps({**LLAMA, "hidden_size": "4k"}), "hidden_size is '4k'; expected a number"),
    ],
)  # fmt: skip
def test_a_broken_config_json_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_config(path)


def test_what_only_the_whole_configuration_says_holds_for_its_text_part() -> None:
    text = {**LLAMA, "vocab_size": None}
    whole = read(text_config=text, vocab_size=1000, tie_word_embeddings=True)
    assert whole.vocab == 1000 and whole.tied
    own = read(text_config={**LLAMA, "tie_word_embeddings": False}, vocab_size=1000, tie_word_embeddings=True)
    assert own.vocab == 128256 and not own.tied


def test_fields_beside_the_attentions_own_win_where_they_have_a_value() -> None:
    """mpt keeps some fields in attn_config."""
    model = read(model_type="mpt", attn_config={"kv_n_heads": 4, "n_layers": 9}, n_layers=3, kv_n_heads=None, n_heads=8)
    assert (model.layers, model.kv_heads) == (3, 4)


def test_a_text_part_without_a_type_is_of_the_wholes() -> None:
    """inkling is no family of its own, inkling_text is one, which cannot be planned for; gemma3 is one itself."""
    with pytest.raises(CannotRead, match="inkling_text"):
        read(model_type="inkling", text_config=LLAMA)
    assert read(model_type="inkling", **LLAMA).layers == 32
    assert read(model_type="gemma3", text_config={**LLAMA, "sliding_window": 512}).layers == 32
    with pytest.raises(CannotRead, match="'inkling_text'"):
        read(model_type="x", text_config={**LLAMA, "model_type": "inkling_text"})


def test_layers_are_counted_where_they_are_listed_and_other_sizes_are_needed() -> None:
    listed = {name: value for name, value in LLAMA.items() if name != "num_hidden_layers"}
    assert read(**listed, layer_types=["full_attention"] * 4).layers == 4
    with pytest.raises(InputError, match=r"missing num_hidden_layers$"):
        read(**listed)
    with pytest.raises(InputError, match="missing num_hidden_layers, hidden_size"):
        read(layer_types=["full_attention"] * 4, num_attention_heads=32, vocab_size=9)


@pytest.mark.parametrize(
    ("fields", "width"),
    [  # LFM2-1.2B: 12288 x 2/3 = 8192, a multiple of 256; x 1.1 = 9011, rounded up to 9216
        ({"block_auto_adjust_ff_dim": True, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0}, 8192),
        ({"block_auto_adjust_ff_dim": True, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.1}, 9216),
        ({"block_auto_adjust_ff_dim": True, "block_multiple_of": 1000, "block_ffn_dim_multiplier": 1.0}, 9000),
        ({"block_auto_adjust_ff_dim": False}, 12288),
    ],
)  # fmt: skip
def test_widths_are_adjusted_where_the_configuration_says_so(fields: dict[str, Any], width: int) -> None:
    given = {**LLAMA, "intermediate_size": 12288, "num_hidden_layers": 2, "layer_types": ["full_attention"] * 2}
    assert read(**given, model_type="lfm2", **fields).intermediate == width
    assert read(**given, model_type="llama", **fields).intermediate == 12288


def test_a_class_name_tells_of_two_matrices_only_where_the_family_is_unknown() -> None:
    assert read(**LLAMA, model_type="brandnew", architectures=["MyGPTNeoXForCausalLM"]).gated is False
    assert read(**LLAMA, model_type="llama", architectures=["MyGPTNeoXForCausalLM"]).gated is True
    assert read(**LLAMA, model_type="brandnew", architectures=["Other"]).gated is True


@pytest.mark.parametrize(
    ("fields", "billions"),
    [  # parameters that the model cards state, of configurations whose classes come with the weights
        ({"model_type": "phi3small", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
          "num_key_value_heads": 8, "ff_intermediate_size": 14336, "vocab_size": 100352,
          "tie_word_embeddings": True}, 7.39),  # microsoft/Phi-3-small-8k-instruct
        ({"model_type": "chatglm", "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32,
          "inner_hidden_size": 16384, "vocab_size": 130528}, 6.17),  # zai-org/chatglm-6b
        ({"model_type": "chatglm", "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32, "kv_channels": 128,
          "ffn_hidden_size": 13696, "padded_vocab_size": 65024, "multi_query_attention": True,
          "multi_query_group_num": 2}, 6.24),  # zai-org/chatglm2-6b
        ({"model_type": "qwen", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
          "intermediate_size": 22016, "vocab_size": 151936}, 7.72),  # Qwen/Qwen-7B
        ({"model_type": "bloom", "n_embed": 4096, "n_layer": 30, "num_attention_heads": 32,
          "vocab_size": 250880}, 7.07),  # bigscience/bloom-7b1
        ({"model_type": "minicpm", "hidden_size": 2304, "num_hidden_layers": 40, "num_attention_heads": 36,
          "num_key_value_heads": 36, "intermediate_size": 5760, "vocab_size": 122753}, 2.72),  # openbmb/MiniCPM-2B
        ({"model_type": "minicpm3", "hidden_size": 2560, "num_hidden_layers": 62, "num_attention_heads": 40,
          "intermediate_size": 6400, "vocab_size": 73448, "q_lora_rank": 768, "kv_lora_rank": 256,
          "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "tie_word_embeddings": True}, 4.07),  # openbmb/MiniCPM3-4B
        ({"model_type": "step3_text", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 64,
          "num_attention_groups": 1, "head_dim": 256, "share_q_dim": 2048, "intermediate_size": 18432,
          "moe_intermediate_size": 5120, "moe_num_experts": 48, "moe_top_k": 3, "share_expert_dim": 5120,
          "vocab_size": 128815, "moe_layers_enum": ",".join(map(str, range(4, 60)))}, 316),  # stepfun-ai/step3
        ({"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8,
          "vocab_size": 32768}, 7.25),  # params.json of mistralai/Mistral-7B-v0.3
        ({"dim": 4096, "n_layers": 32, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 32000,
          "moe": {"num_experts": 8, "num_experts_per_tok": 2}}, 46.7),  # of mistralai/Mixtral-8x7B-v0.1
        ({"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 1024,
          "ffn_dim_multiplier": 1.3}, 8.03),  # of meta-llama/Llama-3.1-8B
        ({"model_type": "openelm", "model_dim": 2048, "num_transformer_layers": 28, "head_dim": 64, "vocab_size": 32000,
          "num_query_heads": [16] * 3 + [20] * 7 + [24] * 8 + [28] * 6 + [32] * 4,
          "num_kv_heads": [4] * 3 + [5] * 7 + [6] * 8 + [7] * 6 + [8] * 4, "share_input_output_layers": True,
          "ffn_multipliers": [round(0.5 + 3.5 * layer / 27, 2) for layer in range(28)]}, 1.08),  # apple/OpenELM-1_1B
    ],
    ids=lambda value: value.get("model_type", "params.json") if isinstance(value, dict) else "",
)  # fmt: skip
def test_p03_classes_that_come_with_the_weights(fields: dict[str, Any], billions: float) -> None:
    model = read(**fields)
    assert model.params / 1e9 == pytest.approx(billions, rel=0.01)


def test_p02_layers_that_share_the_cache_of_the_one_before_keep_none() -> None:
    """Hunyuan-Large (arXiv 2411.02265): cross-layer attention over 2 layers halves the cache."""
    assert read(**LLAMA, model_type="hunyuan", use_cla=True, cla_share_factor=2).caches == 16
    assert read(**LLAMA, model_type="hunyuan", use_cla=False, cla_share_factor=2).caches == 32


def test_p02_a_window_does_not_hide_recurrent_layers() -> None:
    """microsoft/Phi-4-mini-flash-reasoning has Mamba layers beside sliding ones, in a class of its own."""
    with pytest.raises(CannotRead, match="which layers keep a KV cache"):
        read(**LLAMA, model_type="phi4flash", sliding_window=512, mamba_d_state=16, mb_per_layer=2)
    with pytest.raises(CannotRead, match="recurrent"):  # state-spaces/mamba2-2.7b
        read(d_model=2560, n_layer=64, vocab_size=50277, ssm_cfg={"layer": "Mamba2"})


def test_what_cannot_be_read_ends_with_exit_code_3() -> None:
    assert CannotRead("x").exit_code == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"num_hidden_layers": 10**15}, "expected at most 10,000"),
        ({"hidden_size": True}, "hidden_size is True; expected a number"),
        ({"num_hidden_layers": None, "hybrid_override_pattern": 5}, "expected a list, or a pattern of letters"),
        ({"hidden_size": 2}, "head_dim is 0 and num_key_value_heads is 8, which must be above 0"),
        ({"num_key_value_heads": -8}, "num_key_value_heads is -8"),
        ({"num_attention_heads": "32"}, "num_attention_heads is '32'; expected a number"),
        ({"vocab_size": float("inf")}, "vocab_size is inf; expected a number"),
    ],
)
def test_p3_fields_of_another_kind_are_named(fields: dict[str, Any], said: str) -> None:
    assert read(**LLAMA, architectures="LlamaForCausalLM").params > 0
    with pytest.raises(InputError, match=re.escape(said)):
        read(**{**LLAMA, **fields})
