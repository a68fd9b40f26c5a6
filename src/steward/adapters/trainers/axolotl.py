"""The trainer `axolotl`: writes its configuration, checks it, and runs it where it is installed.

The keys are those of Axolotl's "Config Reference" and "Dataset Formats" (chat_template for SFT, chat_template.default
for DPO); `SCHEMA` has those that are written here, `schemas.json` all
that its own schema knows. Axolotl lives in an environment of its own: name its interpreter as
`python` in train.yaml.
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

CONFIG: Final = "axolotl.yaml"
_NUMBER, _WHOLE, _TEXT, _FLAG = {"type": "number"}, {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["base_model", "datasets", "output_dir"],
    "properties": {
        "base_model": _TEXT, "output_dir": _TEXT, "dataset_prepared_path": _TEXT, "rl": {"enum": ["dpo", "kto"]},
        "adapter": {"enum": ["lora", "qlora"]}, "load_in_4bit": _FLAG, "lora_r": _WHOLE, "lora_alpha": _WHOLE,
        "lora_dropout": _NUMBER, "lora_target_linear": _FLAG, "sequence_len": _WHOLE, "sample_packing": _FLAG,
        "micro_batch_size": _WHOLE, "gradient_accumulation_steps": _WHOLE, "num_epochs": _NUMBER, "max_steps": _WHOLE,
        "learning_rate": _NUMBER, "optimizer": _TEXT, "lr_scheduler": _TEXT, "warmup_ratio": _NUMBER,
        "weight_decay": _NUMBER, "val_set_size": _NUMBER, "saves_per_epoch": _WHOLE, "save_total_limit": _WHOLE,
        "logging_steps": _WHOLE, "seed": _WHOLE, "bf16": {"enum": ["auto", True, False]}, "flash_attention": _FLAG,
        "gradient_checkpointing": _FLAG, "resume_from_checkpoint": _TEXT, "special_tokens": {"type": "object"},
        "chat_template": _TEXT,
        "datasets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "type"],
                "properties": {
                    "path": _TEXT, "ds_type": {"enum": ["json"]}, "type": _TEXT, "split": _TEXT, "data_files": {},
                    "field_messages": _TEXT, "field_chosen": _TEXT, "field_rejected": _TEXT,
                    "message_property_mappings": {"type": "object"}, "train_on_eos": {"enum": ["turn", "all", "last"]},
                    "roles_to_train": {"type": "array", "items": _TEXT}, "chat_template": _TEXT,
                },
            },
        },
    },
}  # fmt: skip


class AxolotlParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`extra`: keys of Axolotl's own, which go into its configuration as they stand."""

    epochs: float = 3.0
    learning_rate: float = 2e-4
    batch_size: int = 2
    gradient_accumulation: int = 4
    max_length: int = 2048
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    in_4bit: bool = False
    chat_template: str = "tokenizer_default"
    extra: dict[str, Any] = {}


class AxolotlTrainer:
    shapes: ClassVar = {"sft": "axolotl", "dpo": "axolotl-dpo"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        config = make_config(job, convert_parameters(job.parameters, AxolotlParameters, "axolotl"))
        check_schema(config, add_known_keys(SCHEMA, "axolotl"), "axolotl")
        path = Path(job.events).parent / CONFIG
        write_file(path, yaml.safe_dump(config, sort_keys=False).encode())
        words = job.command or (python, "-m", "axolotl.cli.train")
        return TrainerProcess((python, "-m", "steward.adapters.trainers.hf_log", *words, str(path)), needs="axolotl")


def make_config(job: TrainingJob, parameters: AxolotlParameters) -> dict[str, Any]:
    """The configuration. :raises InputError: no base"""
    if not job.base:
        raise InputError("trainer axolotl: no `base`; expected a folder of a model, or a name of the Hub")
    dataset: dict[str, Any] = {"path": job.train, "ds_type": "json"}
    if job.method == "sft":
        dataset |= {
            "type": "chat_template", "field_messages": "messages", "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
        }  # fmt: skip
    else:
        dataset |= {
            "type": "chat_template.default", "split": "train", "field_messages": "messages", "field_chosen": "chosen",
            "field_rejected": "rejected",
        }  # fmt: skip
    config: dict[str, Any] = {
        "base_model": job.base, "chat_template": parameters.chat_template, "datasets": [dataset],
        "output_dir": job.checkpoints, "dataset_prepared_path": f"{job.checkpoints}/prepared",
        "sequence_len": parameters.max_length, "micro_batch_size": parameters.batch_size,
        "gradient_accumulation_steps": parameters.gradient_accumulation, "num_epochs": parameters.epochs,
        "learning_rate": parameters.learning_rate, "optimizer": "adamw_torch", "lr_scheduler": "cosine",
        "val_set_size": 0.0, "logging_steps": 1, "saves_per_epoch": 2, "save_total_limit": 2, "seed": job.seed,
        "bf16": "auto",
    }  # fmt: skip
    if job.method == "dpo":
        config["rl"] = "dpo"
    if parameters.lora_rank:
        config |= {
            "adapter": "qlora" if parameters.in_4bit else "lora", "load_in_4bit": parameters.in_4bit,
            "lora_r": parameters.lora_rank, "lora_alpha": parameters.lora_alpha,
            "lora_dropout": parameters.lora_dropout, "lora_target_linear": True,
        }  # fmt: skip
    if job.resume_from:
        config["resume_from_checkpoint"] = job.resume_from
    return config | parameters.extra
