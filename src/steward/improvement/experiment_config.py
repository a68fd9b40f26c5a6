"""experiment.yaml: a space, how it is searched, and by what a trial is judged.

name: support-lora
train: train.yaml
evaluate: [python, evaluate.py]
dataset: sets/support
space:
  learning_rate: {low: 0.00001, high: 0.0005, log: true}
  lora_rank: {choices: [8, 16, 32]}
first: {learning_rate: 0.0002, lora_rank: 16}
trials: 12
constraints: {latency_s: {max: 1.0}}
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steward.configuration.section import Section
from steward.improvement.experiment import MAX_DIMENSIONS, Dimension, TrialLimit


class DimensionConfig(Section):
    """A parameter and its values."""

    low: float | None = Field(None, description="least value")
    high: float | None = Field(None, description="greatest value")
    log: bool = Field(False, description="search by the logarithm, as for learning rates")
    integer: bool = Field(False, description="whole numbers only")
    choices: list[float | int | str | bool] = Field([], description="one of these, in place of low and high")

    @model_validator(mode="after")
    def _check_range(self) -> DimensionConfig:
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("expected choices, or low and high, not both")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("expected low and high, low below high, or a list of choices")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; expected above 0, since log is true")
        return self


class ConstraintConfig(Section):
    """What a metric must be."""

    min: float | None = Field(None, description="at least")
    max: float | None = Field(None, description="at most")

    @model_validator(mode="after")
    def _check_ends(self) -> ConstraintConfig:
        if (self.min is None) == (self.max is None):
            raise ValueError("expected min or max")
        return self


class HalvingConfig(Section):
    """Many trials on few items, few on all."""

    eta: int = Field(3, ge=2, description="one of so many trials goes on, with so many times the items")
    rungs: int = Field(1, ge=1, le=5, description="how often; 1: every trial on all items")


class SlicesConfig(Section):
    """Items of your own, JSON lines; without them those of the training set."""

    select: str = Field(description="file that trials are judged by")
    judge: str = Field(description="file that no trial sees")
    newest: str | None = Field(None, description="file of later items that no trial sees, if there is one")


class ExperimentConfig(Section):
    """experiment.yaml, whole."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="letters, digits and . _ -")
    space: dict[str, DimensionConfig] = Field(min_length=1, description="parameters that are searched")
    first: dict[str, float | int | str | bool] = Field({}, description="what serves now: the first trial")
    trials: int = Field(12, ge=1, le=1000, description="how many, the first among them")
    sampler: Literal["auto", "qmc", "random", "optuna"] = Field(
        "auto", description="auto: qmc up to 30 trials, beyond them optuna (extra `tune`)"
    )
    train: str | None = Field(
        None, description="train.yaml whose parameters are those of a trial, relative to this file"
    )
    evaluate: list[str] = Field(min_length=1, description="program that scores a trial, and its words")
    dataset: str | None = Field(None, description="training set whose slices are asked, relative to this file")
    slices: SlicesConfig | None = Field(None, description="items of your own in place of a training set's")
    goal: Literal["maximize", "minimize"] = Field("maximize", description="of the mean score")
    constraints: dict[str, ConstraintConfig] = Field({}, description="metrics that must hold, such as latency_s")
    halving: HalvingConfig = Field(HalvingConfig.defaults(), description="many trials on few items, few on all")
    trial_timeout_s: float = Field(3600.0, gt=0, description="seconds that scoring a trial may take")
    seed: int = Field(0, ge=0, description="of all chance")

    @model_validator(mode="after")
    def _check_whole(self) -> ExperimentConfig:
        if (self.dataset is None) == (self.slices is None):
            raise ValueError("expected `dataset`, a training set, or `slices`, files of your own")
        if len(self.space) > MAX_DIMENSIONS:
            raise ValueError(f"space: {len(self.space)} parameters; expected at most {MAX_DIMENSIONS}")
        if unknown := [name for name in self.first if name not in self.space]:
            raise ValueError(f"first: {unknown[0]} is not in the space")
        if self.first and (missing := [name for name in self.space if name not in self.first]):
            raise ValueError(f"first: {missing[0]} is missing; expected a value for each parameter of the space")
        for name, one in self.space.items():
            if one.choices and name in self.first and self.first[name] not in one.choices:
                raise ValueError(f"first: {name} is {self.first[name]!r}, which is not among its choices")
        return self

    def dimensions(self) -> tuple[Dimension, ...]:
        return tuple(
            Dimension(
                name=name, low=one.low or 0.0, high=1.0 if one.high is None else one.high, log=one.log,
                integer=one.integer, choices=tuple(one.choices),
            )
            for name, one in self.space.items()
        )  # fmt: skip

    def limits(self) -> tuple[TrialLimit, ...]:
        return tuple(TrialLimit(metric=name, min=one.min, max=one.max) for name, one in self.constraints.items())

    def choose_sampler(self) -> Literal["qmc", "random", "optuna"]:
        """Optuna's tree of Parzen estimators is for 100 to 1,000 trials, its table says; the first ten are random."""
        if self.sampler == "auto":
            return "qmc" if self.trials <= 30 else "optuna"
        return self.sampler
