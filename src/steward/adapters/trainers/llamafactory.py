"""The trainer `llamafactory`: writes its configuration, checks it, and runs it where it is installed.

The keys are those of LLaMA-Factory's examples (train_lora) and argument classes (ModelArguments, DataArguments,
FinetuningArguments); `SCHEMA` has those that are written here, `schemas.json` all that they
know. It pins versions of TRL and transformers, so it lives in
an environment of its own: name its interpreter as `python` in train.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import yaml

from steward.adapters.trainers.process import convert_parameters
from steward.adapters.trainers.schema_check import add_known_keys, check_schema
from steward.core.errors import InputError
from steward.core.files import write_file
from steward.core.training import TrainerProcess, TrainingJob

CONFIG: Final = "llamafactory.yaml"
_NUMBER, _WHOLE, _TEXT, _FLAG = {"type": "number"}, {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model_name_or_path", "stage", "do_train", "finetuning_type", "dataset", "template", "output_dir"],
    "properties": {
        "model_name_or_path": _TEXT, "stage": {"enum": ["sft", "dpo", "kto"]}, "do_train": {"const": True},
        "finetuning_type": {"enum": ["lora", "full", "freeze"]}, "lora_rank": _WHOLE, "lora_alpha": _WHOLE,
        "lora_dropout": _NUMBER, "lora_target": _TEXT, "dataset": _TEXT, "dataset_dir": _TEXT, "template": _TEXT,
        "cutoff_len": _WHOLE, "output_dir": _TEXT, "logging_steps": _WHOLE, "save_steps": _WHOLE,
        "save_total_limit": _WHOLE, "plot_loss": _FLAG, "report_to": {"enum": ["none"]}, "seed": _WHOLE,
        "per_device_train_batch_size": _WHOLE, "gradient_accumulation_steps": _WHOLE, "learning_rate": _NUMBER,
        "num_train_epochs": _NUMBER, "max_steps": _WHOLE, "lr_scheduler_type": _TEXT, "warmup_ratio": _NUMBER,
        "bf16": _FLAG, "fp16": _FLAG, "quantization_bit": _WHOLE, "pref_beta": _NUMBER,
        "pref_loss": {"enum": ["sigmoid", "hinge", "ipo", "kto_pair", "orpo", "simpo"]}, "packing": _FLAG,
        "resume_from_checkpoint": _TEXT, "overwrite_cache": _FLAG, "flash_attn": _TEXT,
        "preprocessing_num_workers": _WHOLE, "deepspeed": _TEXT, "weight_decay": _NUMBER,
    },
}  # fmt: skip


class LlamaFactoryParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`template` is LLaMA-Factory's name of the model's chat template. `extra`: keys of its own, as they stand."""

    template: str = "default"
    epochs: float = 3.0
    learning_rate: float = 1e-4
    batch_size: int = 2
    gradient_accumulation: int = 4
    max_length: int = 2048
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    beta: float = 0.1  # of DPO and KTO
    bf16: bool = True
    extra: dict[str, Any] = {}


class LlamaFactoryTrainer:
    shapes: ClassVar = {"sft": "llamafactory", "dpo": "llamafactory-dpo", "kto": "llamafactory-kto"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        config = make_config(job, convert_parameters(job.parameters, LlamaFactoryParameters, "llamafactory"))
        check_schema(config, add_known_keys(SCHEMA, "llamafactory"), "llamafactory")
        path = Path(job.events).parent / CONFIG
        write_file(path, yaml.safe_dump(config, sort_keys=False).encode())
        words = job.command or (python, "-m", "llamafactory.cli", "train")
        return TrainerProcess(
            (python, "-m", "steward.adapters.trainers.hf_log", *words, str(path)), needs="llamafactory"
        )


def make_config(job: TrainingJob, parameters: LlamaFactoryParameters) -> dict[str, Any]:
    """The configuration. :raises InputError: no base"""
    if not job.base:
        raise InputError("trainer llamafactory: no `base`; expected a folder of a model, or a name of the Hub")
    config: dict[str, Any] = {
        "model_name_or_path": job.base, "stage": job.method, "do_train": True,
        "finetuning_type": "lora" if parameters.lora_rank else "full", "dataset": Path(job.train).stem,
        "dataset_dir": str(Path(job.train).parent), "template": parameters.template,
        "cutoff_len": parameters.max_length, "output_dir": job.checkpoints, "logging_steps": 1, "save_steps": 100,
        "save_total_limit": 2, "plot_loss": False, "report_to": "none", "seed": job.seed,
        "per_device_train_batch_size": parameters.batch_size,
        "gradient_accumulation_steps": parameters.gradient_accumulation, "learning_rate": parameters.learning_rate,
        "num_train_epochs": parameters.epochs, "lr_scheduler_type": "cosine", "warmup_ratio": 0.03,
        "bf16": parameters.bf16,
    }  # fmt: skip
    if parameters.lora_rank:
        config |= {
            "lora_rank": parameters.lora_rank, "lora_alpha": parameters.lora_alpha,
            "lora_dropout": parameters.lora_dropout, "lora_target": "all",
        }  # fmt: skip
    if job.method != "sft":
        config["pref_beta"] = parameters.beta
    if job.resume_from:
        config["resume_from_checkpoint"] = job.resume_from
    return config | parameters.extra
