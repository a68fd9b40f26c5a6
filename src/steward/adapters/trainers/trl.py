"""The trainer `trl`: SFT, DPO and KTO with Hugging Face's TRL, LoRA or all parameters, on CPUs or GPUs (extra `train`).

Rows have `prompt` and `completion`, since TRL's loss is then on the answer, not on everything (TRL, "SFT Trainer",
"Train on completion only"). Models that come as GGUF, such as the starter, go out as GGUF.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from steward.adapters.trainers.process import convert_parameters
from steward.core.errors import InputError
from steward.core.training import TrainerProcess, TrainingJob

Positive = Annotated[float, msgspec.Meta(gt=0)]
Whole = Annotated[int, msgspec.Meta(ge=1)]


class TrlParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`lora_rank` 0: all parameters are trained. `threads`: two wait for each other on a busy machine.

    With `layers`, `width` or `heads` the model is a new one: the base's tokenizer and proportions, weights by the seed.
    """

    epochs: Positive = 3.0
    max_steps: Annotated[int, msgspec.Meta(ge=-1)] = -1
    budget_tflop: Positive | None = None  # 10^12 operations, in place of epochs and max_steps
    layers: Whole | None = None
    width: Whole | None = None
    heads: Whole | None = None
    learning_rate: Positive | None = None  # default: 2e-4 with LoRA, 1e-3 for a new model, else 2e-5
    batch_size: Whole = 8
    gradient_accumulation: Whole = 1
    max_length: Whole = 1024  # tokens
    lora_rank: Annotated[int, msgspec.Meta(ge=0)] | None = None  # default: 16; none for a new model
    lora_alpha: Whole | None = None  # default: twice the rank
    lora_dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    merge: bool = False  # write the whole model in place of the LoRA adapter
    beta: Positive = 0.1  # of DPO and KTO
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    warmup: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.03  # share of the steps
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    save_steps: Whole | None = None  # default: a fifth of all
    gguf_type: Literal["q8_0", "f16", "f32"] = "q8_0"
    gradient_checkpointing: bool = False
    threads: Whole = 1
    cpu: bool | None = None  # default: where there is no GPU

    @property
    def is_new(self) -> bool:
        """Whether a model of another shape is trained from nothing."""
        return any((self.layers, self.width, self.heads))

    @property
    def rank(self) -> int:
        """Of the LoRA adapter; 0: all parameters are trained."""
        return (0 if self.is_new else 16) if self.lora_rank is None else self.lora_rank


class TrlTrainer:
    shapes: ClassVar = {"sft": "trl-sft", "dpo": "trl-dpo", "kto": "trl-kto"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        parameters = convert_parameters(job.parameters, TrlParameters, "trl")
        if parameters.is_new and (parameters.rank or job.method != "sft"):
            raise InputError(
                "trainer trl: layers, width and heads make a new model, which is trained whole; "
                "expected method sft and no lora_rank"
            )
        if parameters.budget_tflop and (parameters.max_steps > 0 or job.method != "sft"):
            raise InputError("trainer trl: budget_tflop says how long sft trains; leave max_steps out")
        if not job.base:
            raise InputError("trainer trl: no `base`; expected starter, a folder of a model, or a GGUF file")
        if Path(job.base).suffix == ".gguf" and not Path(job.base).is_file():
            raise InputError(f"trainer trl: base {job.base}: no such file")
        words = (*job.command, "-m") if job.command else (python, "-m")
        threads = str(parameters.threads)
        environment = {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        if "HF_HUB_OFFLINE" in os.environ:
            del environment["HF_HUB_OFFLINE"]
        return TrainerProcess((*words, "steward.adapters.trainers.trl_job"), environment)
