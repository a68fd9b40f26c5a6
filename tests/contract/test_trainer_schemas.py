"""What is written for Axolotl and LLaMA-Factory, read by the packages' own schemas where they are installed.

Neither fits into the environment of steward's tests (they pin transformers, datasets and more), so CI skips this.
Run it in one of theirs: pip install axolotl llamafactory pytest, and PYTHONPATH=src:tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steward.adapters.trainers import axolotl, llamafactory
from steward.testing.trainers import make_job


@pytest.mark.parametrize("method", ["sft", "dpo"])
@pytest.mark.parametrize("fields", [{}, {"lora_rank": 0}, {"in_4bit": True}])
def test_axolotls_own_schema_takes_the_configuration(tmp_path: Path, method: Any, fields: dict[str, Any]) -> None:
    schema = pytest.importorskip("axolotl.utils.schemas.config", exc_type=ImportError)
    job = make_job(tmp_path, "axolotl", method, axolotl.AxolotlTrainer.shapes[method], [], base="org/model")
    config = axolotl.make_config(job, axolotl.AxolotlParameters(**fields))
    assert schema.AxolotlInputConfig(**config).base_model == "org/model"


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
@pytest.mark.parametrize("rank", [0, 16])
def test_llamafactorys_own_parser_takes_every_key(tmp_path: Path, method: Any, rank: int) -> None:
    hparams = pytest.importorskip("llamafactory.hparams", exc_type=ImportError)
    transformers = pytest.importorskip("transformers")
    job = make_job(tmp_path, "x", method, llamafactory.LlamaFactoryTrainer.shapes[method], [], base="org/model")
    config = llamafactory.make_config(job, llamafactory.LlamaFactoryParameters(lora_rank=rank, bf16=False))
    classes = [hparams.ModelArguments, hparams.DataArguments, hparams.TrainingArguments, hparams.FinetuningArguments]
    transformers.HfArgumentParser(classes).parse_dict(config, allow_extra_keys=False)
