"""The tables of facts: plausible in every column, and names as people write them."""

from pathlib import Path

import msgspec
import pytest

from steward.capacity.catalog import (
    Accelerator,
    Model,
    _find_by_words,
    find_accelerator,
    find_model,
    find_nearest_model,
    list_accelerators,
    list_models,
    match_nearest,
    read_accelerator_table,
)
from steward.core.errors import InputError, UnknownName


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_a_models_shape_gives_the_parameters_its_authors_publish(model: Model) -> None:
    assert model.params / 1e9 == pytest.approx(model.published_params_b, rel=0.015)
    assert model.source and model.active_params <= model.params * 1.1 and model.heads % model.kv_heads == 0
    assert 0 <= model.sliding_layers <= model.layers and (model.sliding_window > 0) == (model.sliding_layers > 0)
    assert 16 <= model.head_dim <= 256 and 1_000 < model.vocab < 300_000 and model.max_position >= 1024
    assert bool(model.experts) == bool(model.experts_per_token) == bool(model.moe_intermediate)


@pytest.mark.parametrize("gpu", list_accelerators(), ids=lambda gpu: gpu.name)
def test_a_gpus_figures_are_plausible(gpu: Accelerator) -> None:
    assert gpu.source and 4 <= gpu.memory_gb <= 512 and 60 <= gpu.bandwidth_gb_s <= 10_000
    assert 5 <= gpu.bf16_tflops <= 3_000
    assert gpu.memory_gb * 0.7 < gpu.memory_gib * 2**30 / 1e9 <= gpu.memory_gb * 1.08  # the driver keeps some
    for rate in (gpu.fp8_tflops, gpu.int8_tops):  # dense: twice the 16-bit rate, not four times (that is with sparsity)
        assert rate is None or gpu.arch.endswith(("sm103", "sm70")) or 0.9 <= rate / gpu.bf16_tflops <= 4.1
    assert gpu.link_gb_s is None or 10 <= gpu.link_gb_s <= 1_000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B"), ("LLaMA v2 70B", "Llama-2-70b"),
        ("meta/llama3-8b-instruct", "Llama-3.1-8B"), ("nvidia/Llama-3.3-70B-Instruct-NVFP4", "Llama-3.1-70B"),
        ("deepseek-ai/DeepSeek-R1", "DeepSeek-V3"), ("TheBloke/Llama-2-13B-chat-AWQ", "Llama-2-13b"),
        ("Qwen3-30B-A3B-Instruct-2507", "Qwen3-30B-A3B"), ("llama-3.1-8b-q4_k_m.gguf", "Llama-3.1-8B"),
    ],
)  # fmt: skip
def test_models_are_found_by_the_names_people_write(written: str, meant: str) -> None:
    assert find_model(written).model.name == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-SXM-80GB"), ("A100-SXM4-80GB", "A100-SXM-80GB"), ("MI300X", "MI300X"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIe-80GB"), ("Tesla T4", "T4"), ("h100 nvl", "H100-NVL-94GB"),
        ("8xH100", "H100-SXM-80GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"), ("AMD Instinct MI300X", "MI300X"), ("GH200 480GB", "GH200-96GB"),
    ],
)  # fmt: skip
def test_gpus_are_found_by_the_names_drivers_and_tables_write(written: str, meant: str) -> None:
    assert find_accelerator(written).name == meant


@pytest.mark.parametrize("cells", ["X1,0,48,900", "X1,100,0,900", "X1,100,48,0"])
def test_own_accelerators_have_rates_above_0(tmp_path: Path, cells: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"name,bf16_tflops,memory_gb,bandwidth_gb_s\n{cells}\n")
    with pytest.raises(InputError, match="expected above 0"):
        read_accelerator_table(path)


def test_no_two_gpus_share_a_name() -> None:
    names = [name.lower() for gpu in list_accelerators() for name in (gpu.name, *filter(None, gpu.aliases.split("|")))]
    assert len(names) == len(set(names))


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'Llama-3\.1-8B'"):
        find_model("Llama-3.1-9B")
    with pytest.raises(UnknownName, match="unknown GPU 'Z80'"):
        find_accelerator("Z80")


def test_a_measured_unknown_model_is_taken_for_one_of_its_size() -> None:
    found = find_nearest_model("SomethingNew-70B-chat")
    assert found.how == "size" and 60e9 < found.model.params < 80e9
    with pytest.raises(UnknownName):
        find_nearest_model("SomethingNew")


def test_own_accelerators_come_from_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("name,bf16_tflops,memory_gb,bandwidth_gb_s\nX1,100,48,900\n")
    assert read_accelerator_table(path)["X1"].bandwidth_gb_s == 900
    path.write_text("name,bf16_tflops,memory_gb,bandwidth_gb_s\nX1,100,48,fast\n")
    with pytest.raises(InputError, match=r"own\.csv:2"):
        read_accelerator_table(path)


@pytest.mark.parametrize(
    ("written", "meant", "memory_gib", "tflops"),
    [  # NVIDIA MIG User Guide: 3g.40gb has 4/8 of the memory and 3/7 of the multiprocessors of an A100
        ("A100 MIG 3g.40gb", "A100-SXM-80GB MIG 3g.40gb", 79.15 / 2, 312 * 3 / 7),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "A100-SXM-40GB MIG 3g.20gb", 39.4 / 2, 312 * 3 / 7),
        ("A100 MIG 3g.20gb", "A100-SXM-40GB MIG 3g.20gb", 39.4 / 2, 312 * 3 / 7),
        ("h100 1g.10gb", "H100-SXM-80GB MIG 1g.10gb", 79.18 / 8, 989 / 7),
        ("H100 MIG 1g.20gb", "H100-SXM-80GB MIG 1g.20gb", 79.18 / 4, 989 / 7),
        ("B200 MIG 7g.180gb", "B200-SXM MIG 7g.180gb", 179.06, 2250),
        ("A30 MIG 2g.12gb", "A30 MIG 2g.12gb", 23.6 / 2, 165 / 2),
        ("RTX PRO 6000 MIG 1g.24gb", "RTX-PRO-6000-Blackwell MIG 1g.24gb", 95.59 / 4, 467.8 / 4),
    ],
)  # fmt: skip
def test_p04_a_mig_profile_is_its_share(written: str, meant: str, memory_gib: float, tflops: float) -> None:
    gpu = find_accelerator(written)
    assert gpu.name == meant and gpu.is_mig and gpu.link_gb_s is None
    assert gpu.memory_gib == pytest.approx(memory_gib) and gpu.bf16_tflops == pytest.approx(tflops)


@pytest.mark.parametrize("written", ["A100 MIG 5g.50gb", "A100 MIG 3g.90gb", "H100 MIG 7g.10gb", "T9 MIG 1g.5gb"])
def test_p04_a_profile_that_does_not_exist_is_unknown(written: str) -> None:
    with pytest.raises(UnknownName):
        find_accelerator(written)


@pytest.mark.parametrize(
    ("written", "memory_gb", "bandwidth_gb_s"),
    [  # memory and bandwidth as the makers' data sheets have them
        ("GB10", 128, 273), ("DGX Spark", 128, 273), ("RTX 4070", 12, 504), ("L20", 48, 864), ("L2", 24, 300),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16, 576), ("RTX 5070 Ti", 16, 896), ("GeForce RTX 3070", 8, 448),
        ("NVIDIA RTX 4000 Ada Generation", 20, 360), ("Quadro RTX 8000", 48, 672), ("H20-3e", 141, 4800),
        ("Radeon RX 7900 XTX", 24, 960), ("Strix Halo", 128, 256), ("Jetson AGX Thor", 128, 273),
        ("Apple M3 Ultra", 256, 819), ("RTX PRO 5000 Blackwell", 48, 1344), ("Arc B580", 12, 456),
        ("Jetson Orin Nano 8GB", 8, 68), ("Jetson AGX Orin 32GB", 32, 204.8), ("Tesla P40", 24, 346),
        ("RTX PRO 5000 72GB", 72, 1344), ("RTX 4090 48GB", 48, 1008), ("RTX 5060 Ti 8GB", 8, 448),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 96, 1792), ("RX 9070 XT", 16, 640),
        ("RTX 3060 Laptop", 6, 336), ("RX 7900 XT", 20, 800), ("MI300A", 128, 5300), ("Apple M2", 24, 100),
        ("Intel Data Center GPU Max 1550", 128, 3276), ("ironwood", 192, 7380), ("RTX 2070", 8, 448),
        ("Apple M4 Max 64GB", 64, 546), ("Mac Studio M3 Ultra 512GB", 512, 819),  # sold with several memories
    ],
)  # fmt: skip
def test_p04_cards_of_workstations_laptops_and_clouds_are_known(
    written: str, memory_gb: float, bandwidth_gb_s: float
) -> None:
    gpu = find_accelerator(written)
    assert (gpu.memory_gb, gpu.bandwidth_gb_s) == (memory_gb, bandwidth_gb_s)


def test_p04_a_laptops_card_is_not_taken_for_the_desktops() -> None:
    with pytest.raises(UnknownName):
        find_accelerator("NVIDIA GeForce RTX 3090 Laptop GPU")


def test_parameters_of_latent_attention_by_hand() -> None:
    """DeepSeek-V3, one layer: queries 1536 x (7168 + 128 x 192), latent 7168 x 576, keys and values 512 x 128 x 256,
    output 128 x 128 x 7168."""
    model = find_model("deepseek-v3").model
    assert model.attention_params == (
        1536 * (7168 + 128 * 192) + 7168 * 576 + 128 * 512 * 256 + 128 * 128 * 7168
    )  # fmt: skip


def test_parameters_of_a_grouped_layer_by_hand() -> None:
    model = find_model("llama-3.1-8b").model
    assert model.attention_params == 4096 * 128 * (32 + 32 + 8 + 8)
    assert model.dense_block_params == 32 * (model.attention_params + 3 * 4096 * 14336)
    assert model.embedding_params == 2 * 128256 * 4096


def test_experts_shared_and_routed_by_hand() -> None:
    """DeepSeek-V3: 58 of 61 layers have 256 experts of 2048, one shared, and a router."""
    model = find_model("deepseek-v3").model
    assert model.moe_layers == 58 and model.expert_params == 3 * 7168 * 2048
    shared = 58 * (3 * 7168 * 2048 + 7168 * 256)
    assert model.dense_block_params == 61 * model.attention_params + 3 * 3 * 7168 * 18432 + shared
    assert model.active_params == model.dense_block_params + 58 * 8 * model.expert_params + 129280 * 7168


def test_where_the_driver_is_not_known_it_keeps_one_and_a_half_percent() -> None:
    gpu = Accelerator(name="x", bf16_tflops=1, memory_gb=100, bandwidth_gb_s=1)
    assert gpu.memory_gib == pytest.approx(91.735, abs=1e-3)  # 98.5e9 / 1024**3
    assert gpu.memory_gib * 1024**3 == pytest.approx(98.5e9, rel=1e-12)


def sized(billions: float, *, grouped: bool = True) -> Model:
    """A model of so many billion parameters, all of them embeddings."""
    return Model(
        name=f"m{billions}", layers=1, hidden=10**6, heads=0, kv_heads=1 if grouped else 0, head_dim=0, intermediate=0,
        vocab=round(billions * 1000), tied=True,
    )  # fmt: skip


def match(name: str, **models: Model) -> tuple[str, str] | None:
    """Of the models, by their words joined with underscores: the key of the match, and how."""
    index = {key.replace("_", "-"): model for key, model in models.items()}
    found = match_nearest(name, index)
    return None if found is None else (next(key for key, model in index.items() if model is found.model), found.how)


def test_half_of_the_words_make_a_nearest_model_and_less_do_not() -> None:
    assert match("foo-bar-one-two", foo_bar=sized(1)) == ("foo-bar", "nearest")
    assert match("foo-bar-one-two-three", foo_bar=sized(1)) is None


def test_of_models_with_as_many_common_words_the_first_is_taken_and_of_others_the_best() -> None:
    assert match("foo-bar", foo_one=sized(1), foo_bar_x=sized(1), foo_bar_y=sized(1)) == ("foo-bar-x", "nearest")


def test_a_stated_size_rules_out_models_further_than_12_percent() -> None:
    assert match("foo-25b", foo_25b_x=sized(28)) == ("foo-25b-x", "nearest")
    assert match("foo-25b", foo_25b_x=sized(22)) == ("foo-25b-x", "nearest")
    assert match("foo-25b", foo_25b_x=sized(28.001)) == ("foo-25b-x", "size")


def test_without_common_words_the_nearest_size_within_a_quarter_counts() -> None:
    assert match("new-8b", a=sized(10)) == ("a", "size") and match("new-8b", a=sized(10.001)) is None
    assert match("new-8b", a=sized(6)) == ("a", "size") and match("new-8b", a=sized(5.999)) is None
    assert match("new-8b", a=sized(9), b=sized(7.5), c=sized(6.5)) == ("b", "size")


def test_of_models_of_one_size_one_with_grouped_heads_is_likelier() -> None:
    assert match("new-8b", a=sized(8, grouped=False), b=sized(8)) == ("b", "size")


@pytest.mark.parametrize(
    ("name", "billions"),
    [  # 8 x 7B: Mixtral's 46.7, not 56, since experts share attention and embeddings
        ("new-70B-chat", 70), ("new-1.5b", 1.5), ("smol-360m", 0.36), ("new-8x7B", 46.7), ("new-8x22b", 146.8),
    ],
)  # fmt: skip
def test_a_size_is_read_from_the_name(name: str, billions: float) -> None:
    found = match_nearest(name, {"x": sized(billions), "y": sized(billions * 1.01), "z": sized(billions * 0.99)})
    assert found is not None and found.model.params == pytest.approx(billions * 1e9, rel=1e-9)


def test_active_experts_state_no_size() -> None:
    assert match("new-a3b", a=sized(3)) is None


def test_how_a_name_was_resolved_is_told() -> None:
    assert find_model("meta-llama/Llama-3.1-8B-Instruct").how == "exact"
    assert find_model("vicuna-7b").how == "alias"


def test_attention_with_latent_keys_and_plain_queries_by_hand() -> None:
    """DeepSeek-V2-Lite, one layer: queries 2048 x 16 x 192, latent 2048 x 576, keys and values 16 x 512 x 256, output
    16 x 128 x 2048."""
    model = find_model("deepseek-v2-lite").model
    assert model.attention_params == 2048 * 16 * 192 + 2048 * 576 + 16 * 512 * 256 + 16 * 128 * 2048


def test_experts_without_a_gate_have_two_matrices() -> None:
    model = find_model("mixtral-8x7b").model
    assert model.expert_params == 3 * 4096 * 14336
    assert msgspec.structs.replace(model, gated=False).expert_params == 2 * 4096 * 14336


def test_an_empty_cell_is_a_figure_not_known(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("name,bf16_tflops,fp8_tflops,memory_gb,bandwidth_gb_s\nX1,100,,48,900\n")
    assert read_accelerator_table(path)["X1"].fp8_tflops is None


def test_own_accelerators_stand_before_the_shipped_and_beside_them() -> None:
    own = {"H100": Accelerator(name="H100", bf16_tflops=1, memory_gb=2, bandwidth_gb_s=3)}
    assert find_accelerator("H100", own) is own["H100"]
    assert find_accelerator("A30", own).name == "A30"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("80GB A100 PCIe", "A100-PCIe-80GB"), ("PCIe A100 40GB in a rack", "A100-PCIe-40GB"), ("4090 RTX", "RTX-4090")],
)
def test_the_order_of_the_words_does_not_matter_and_the_closest_name_wins(written: str, meant: str) -> None:
    assert find_accelerator(written).name == meant


def test_a_mac_with_less_memory_shows_its_gpu_the_same_share_of_it() -> None:
    """macOS gives the GPU three quarters: of an M2 Max with 96 GB 72 GiB, as its row has it."""
    m2, m3 = find_accelerator("Apple M2 Max"), find_accelerator("Apple M3 Max 96 GB")
    assert (m2.memory_gb, m2.memory_gib_visible) == (m3.memory_gb, m3.memory_gib_visible) == (96, 72)


@pytest.mark.parametrize(("memory_gb", "is_meant"), [(88.0, True), (87.9, False), (112.0, True), (112.1, False)])
def test_a_card_whose_memory_is_within_12_percent_of_what_is_written_is_meant(memory_gb: float, is_meant: bool) -> None:
    """Of 100 GB: vendors count in GB, drivers in GiB, and a driver keeps some."""
    card = Accelerator(name="New X1", bf16_tflops=1, memory_gb=memory_gb, bandwidth_gb_s=1)
    assert _find_by_words({"new", "x1"}, 100.0, {"new-x1": card}) is (card if is_meant else None)


def test_a_part_has_its_share_of_memory_bandwidth_and_power() -> None:
    """NVIDIA MIG User Guide: 3g.40gb is half of the memory and 3/7 of the multiprocessors of an A100."""
    gpu = find_accelerator("A100-SXM-80GB MIG 3g.40gb")
    assert (gpu.memory_gb, gpu.bandwidth_gb_s, gpu.tdp_w) == (40, 2039 / 2, pytest.approx(400 * 3 / 7))


def test_the_profiles_that_a_gpu_has_are_offered() -> None:
    with pytest.raises(UnknownName, match=r"A100-SXM-80GB MIG 3g\.40gb"):
        find_accelerator("A100-SXM-80GB MIG 3g.90gb")


@pytest.mark.parametrize(
    ("written", "memory", "compute"),
    [("A30 MIG 4g.24gb", 24, 165), ("A30 MIG 1g.6gb", 6, 165 / 4), ("A100 MIG 7g.80gb", 80, 312),
     ("A100 MIG 4g.40gb", 40, 312 * 4 / 7), ("A100 MIG 2g.20gb", 20, 312 * 2 / 7), ("A100 MIG 1g.10gb", 10, 312 / 7)],
)  # fmt: skip
def test_every_profile_of_the_guide_is_there(written: str, memory: float, compute: float) -> None:
    """NVIDIA MIG User Guide, tables of A30 and A100-80GB."""
    gpu = find_accelerator(written)
    assert gpu.memory_gb == memory and gpu.bf16_tflops == pytest.approx(compute)


@pytest.mark.parametrize(
    ("written", "meant"),
    [  # AWS, Google Cloud: which accelerator each family of machines has
        ("g5.xlarge", "A10G"), ("p5.48xlarge", "H100-SXM-80GB"), ("g6e.2xlarge", "L40S"),
        ("p4d.24xlarge", "A100-SXM-40GB"),
        ("a2-highgpu-1g", "A100-SXM-40GB"), ("a2-ultragpu-8g", "A100-SXM-80GB"), ("a3-highgpu-8g", "H100-SXM-80GB"),
        ("g2-standard-4", "L4"), ("H100x8", "H100-SXM-80GB"),
    ],
)  # fmt: skip
def test_p04_machines_of_clouds_are_their_accelerators(written: str, meant: str) -> None:
    assert find_accelerator(written).name == meant


@pytest.mark.parametrize(
    "written",
    ["RTX 5090 D", "H100 64GB", "RTX 3080 20GB", "GRID A100-10C", "H100 CNX", "Jetson Orin Nano 4GB", "Apple M5 Max"],
)
def test_p04_a_card_that_differs_from_the_known_one_is_not_taken_for_it(written: str) -> None:
    with pytest.raises(UnknownName):
        find_accelerator(written)
