"""What is written for Axolotl and LLaMA-Factory, against their published keys."""

import pytest
import yaml

from steward.adapters.trainers import axolotl, llamafactory
from steward.adapters.trainers.process import convert_parameters
from steward.adapters.trainers.schema_check import check_schema
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
