"""train.yaml: which trainer, on what, for how long.

trainer: trl
method: sft
dataset: sets/support
base: starter
parameters: {epochs: 3, learning_rate: 0.0005, lora_rank: 16}
budget: {hours: 2, usd: 20, usd_per_hour: 4}
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from steward.configuration.section import Section
from steward.improvement.training import RunLimits


class BudgetConfig(Section):
    """What a run may use."""

    hours: float | None = Field(None, gt=0, description="the run is stopped after so long, over all attempts")
    usd: float | None = Field(None, gt=0, description="the run is stopped when it has cost so much")
    usd_per_hour: float = Field(0.0, ge=0, description="price of the machine, which counts beside what a trainer tells")

    @model_validator(mode="after")
    def _check_price(self) -> BudgetConfig:
        if self.usd_per_hour and self.usd is None and self.hours is None:
            raise ValueError("usd_per_hour has no effect without usd or hours; name what may be spent")
        return self


class TrainConfig(Section):
    """train.yaml, whole."""

    trainer: str = Field(description="command, few-shot, trl, axolotl, llamafactory, openai-jobs or gepa")
    method: Literal["sft", "dpo", "kto", "prompt"] = Field("sft", description="prompt: few-shot and gepa")
    dataset: str = Field(description="folder of a training set, relative to this file")
    base: str = Field("", description="model to begin with: `starter`, a folder, a GGUF file, or a provider's name")
    parameters: dict[str, Any] = Field({}, description="the trainer's own")
    command: list[str] = Field(
        [],
        description="of the trainer `command`: the program and its words; of others what starts them on several "
        "machines, such as [torchrun, --nproc-per-node, '8']",
    )
    python: str = Field("", description="interpreter of the trainer's environment; default: this one")
    seed: int = Field(0, ge=0, description="of all chance")
    budget: BudgetConfig = Field(BudgetConfig.defaults(), description="what the run may use")
    hang_after_s: float = Field(1800.0, gt=0, description="seconds without an event after which the run is stopped")
    min_free_gb: float = Field(1.0, ge=0, description="gigabytes that must stay free on the disk")

    def limits(self) -> RunLimits:
        return RunLimits(
            hang_after_s=self.hang_after_s,
            max_seconds=None if self.budget.hours is None else self.budget.hours * 3600.0,
            max_usd=self.budget.usd,
            usd_per_hour=self.budget.usd_per_hour,
            min_free_bytes=round(self.min_free_gb * 1e9),
        )
