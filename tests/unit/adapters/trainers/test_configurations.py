"""What is written for Axolotl and LLaMA-Factory, against their published keys."""

import json

import pytest
import yaml

from steward.adapters.trainers import axolotl, llamafactory
from steward.adapters.trainers.process import convert_parameters
from steward.adapters.trainers.schema_check import KEYS, add_known_keys, check_schema
from steward.core.errors import InputError, UnknownName
from steward.testing.trainers import make_job


@pytest.mark.parametrize(
    ("module", "kind", "trainer", "method"),
    [
        (axolotl, axolotl.AxolotlParameters, axolotl.AxolotlTrainer, "sft"),
        (axolotl, axolotl.AxolotlParameters, axolotl.AxolotlTrainer, "dpo"),
        (llamafactory, llamafactory.LlamaFactoryParameters, llamafactory.LlamaFactoryTrainer, "sft"),
        (llamafactory, llamafactory.LlamaFactoryParameters, llamafactory.LlamaFactoryTrainer, "dpo"),
        (llamafactory, llamafactory.LlamaFactoryParameters, llamafactory.LlamaFactoryTrainer, "kto"),
    ],
)
def test_each_method_gives_a_configuration_that_fits_the_schema(tmp_path, module, kind, trainer, method):
    job = make_job(tmp_path, "x", method, trainer.shapes[method], [], base="org/model", resume_from="/c")
    for rank in (0, 16):
        config = module.make_config(job, kind(lora_rank=rank))
        check_schema(config, module.SCHEMA, "x")
        assert config["resume_from_checkpoint"] == "/c"
    process = trainer().prepare(job, "python3")
    written = yaml.safe_load((tmp_path / module.CONFIG).read_text())
    check_schema(written, module.SCHEMA, "x")
    assert process.argv[-1] == str(tmp_path / module.CONFIG) and process.needs in ("axolotl", "llamafactory")


def test_axolotl_learns_the_assistants_turns_with_their_ends(tmp_path):
    job = make_job(tmp_path, "axolotl", "sft", "axolotl", [], base="m")
    [dataset] = axolotl.make_config(job, axolotl.AxolotlParameters())["datasets"]
    assert dataset["roles_to_train"] == ["assistant"] and dataset["train_on_eos"] == "turn"
    assert axolotl.make_config(job, axolotl.AxolotlParameters(in_4bit=True))["adapter"] == "qlora"
    assert "adapter" not in axolotl.make_config(job, axolotl.AxolotlParameters(lora_rank=0))


def test_keys_of_their_own_go_in_and_unknown_ones_do_not(tmp_path):
    job = make_job(tmp_path, "axolotl", "sft", "axolotl", [], base="m", parameters={"extra": {"flash_attention": True}})
    axolotl.AxolotlTrainer().prepare(job, "python3")
    assert yaml.safe_load((tmp_path / "axolotl.yaml").read_text())["flash_attention"] is True
    wrong = make_job(
        tmp_path, "axolotl", "sft", "axolotl", [], base="m", parameters={"extra": {"flash_atention": True}}
    )
    with pytest.raises(UnknownName, match="did you mean 'flash_attention'"):
        axolotl.AxolotlTrainer().prepare(wrong, "python3")


def test_a_base_is_needed_and_parameters_must_be_known(tmp_path):
    for trainer in (axolotl.AxolotlTrainer(), llamafactory.LlamaFactoryTrainer()):
        with pytest.raises(InputError, match="no `base`"):
            trainer.prepare(make_job(tmp_path, "x", "sft", "x", []), "python3")
    with pytest.raises(UnknownName, match="did you mean 'epochs'"):
        convert_parameters({"epoch": 3}, axolotl.AxolotlParameters, "axolotl")
    with pytest.raises(InputError, match="trainer axolotl: parameters: Expected int"):
        convert_parameters({"lora_rank": "x"}, axolotl.AxolotlParameters, "axolotl")


@pytest.mark.parametrize("module", [axolotl, llamafactory])
def test_every_key_that_is_written_is_one_that_the_package_knows(module):
    package = module.__name__.rpartition(".")[2]
    known = json.loads(KEYS.read_text())[package]
    assert set(module.SCHEMA["properties"]) <= set(known["properties"]) and known["version"][0] == "0"
    assert len(known["properties"]) > 300


@pytest.mark.parametrize(
    ("module", "kind", "trainer", "extra", "message"),
    [
        (axolotl, axolotl.AxolotlParameters, "axolotl", {"eval_sample_packing": True}, ""),
        (axolotl, axolotl.AxolotlParameters, "axolotl", {"warmup_steps": 3, "deepspeed": "zero3.json"}, ""),
        (axolotl, axolotl.AxolotlParameters, "axolotl", {"eval_sample_packing": "yes"}, "expected boolean"),
        (axolotl, axolotl.AxolotlParameters, "axolotl", {"sample_paking": True}, "did you mean 'sample_packing'"),
        (llamafactory, llamafactory.LlamaFactoryParameters, "llamafactory", {"flash_attn": "fa2"}, ""),
        (llamafactory, llamafactory.LlamaFactoryParameters, "llamafactory", {"use_dora": 1}, "expected boolean"),
        (
            llamafactory,
            llamafactory.LlamaFactoryParameters,
            "llamafactory",
            {"max_step": 1},
            "did you mean 'max_steps'",
        ),
    ],
)
def test_keys_of_ones_own_are_held_against_what_the_package_knows(tmp_path, module, kind, trainer, extra, message):
    job = make_job(tmp_path, "x", "sft", "x", [], base="org/model")
    schema = add_known_keys(module.SCHEMA, trainer)
    config = module.make_config(job, kind(extra=extra))
    if not message:
        check_schema(config, schema, trainer)
        return
    with pytest.raises((InputError, UnknownName), match=message):
        check_schema(config, schema, trainer)
