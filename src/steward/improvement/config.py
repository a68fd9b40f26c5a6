"""The section `release` of steward.yaml: what a candidate must show, and what takes it back."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from pydantic import Field, field_validator, model_validator

from steward.configuration.section import Section
from steward.improvement.triggers import ImprovePlan, StepPlan

GuardName = Literal["errors", "slow", "cost", "judge", "ratings", "rating_rate", "refusals", "guard_hits"]


class GuardPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard asks for. `margin` is a ratio for rates of events, else a difference."""

    name: GuardName
    margin: float
    required: bool  # must have passed for a promotion
    floor: float | None = None  # a rate of its own below which the candidate passes whatever the champion does
    minimum_units: int = 50
    maximum_duration_s: float = 14 * 86400.0


class JudgePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Who compares the candidate's answers with the champion's, in which share of the trials, by what."""

    model: str
    rubric: str
    sample: float = 1.0


class ReleasePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of a release, complete."""

    guards: tuple[GuardPlan, ...]
    steps: tuple[float, ...] = (0.05, 0.25, 0.5)
    promotion_alpha: float = 0.05
    rollback_alpha: float = 0.008
    planned_units: int = 5000
    minimum_duration_s: float = 600.0
    warm_up_s: float = 60.0
    look_every_s: float = 60.0
    step_minimum_s: float = 600.0
    step_minimum_people: int = 50
    holdback: float = 0.01
    slow_s: float | None = None
    shadow_sample: float = 0.1
    shadow_minimum: int = 200
    judge: JudgePlan | None = None


class ReleaseGuardConfig(Section):
    """One guard of a release."""

    margin: float | None = Field(
        None,
        gt=0,
        description="how much worse the candidate may be: errors, slow, rating_rate, refusals, guard_hits: ratio of "
        "the rates, above 1; cost: share of the champion's, 0.05 is five percent; judge, ratings: points from -1 to 1",
    )
    floor: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="errors and slow: a candidate whose own rate is below this passes, whatever the champion's is",
    )
    required: bool | None = Field(None, description="whether a promotion waits for it; if not, it only rolls back")
    minimum_units: int = Field(50, ge=2, description="people of each arm before this guard may pass")
    maximum_duration_s: float = Field(
        14 * 86400.0, gt=0, description="seconds after which a required guard that is undecided pauses the release"
    )


_DEFAULTS: dict[GuardName, GuardPlan] = {
    "errors": GuardPlan(name="errors", margin=2.0, floor=0.002, required=True),
    "slow": GuardPlan(name="slow", margin=1.5, floor=0.01, required=True),
    "cost": GuardPlan(name="cost", margin=0.05, required=True),
    "judge": GuardPlan(name="judge", margin=0.03, required=True),
    "ratings": GuardPlan(name="ratings", margin=0.1, required=False),
    "rating_rate": GuardPlan(name="rating_rate", margin=1.5, required=False),
    "refusals": GuardPlan(name="refusals", margin=1.5, required=False),
    "guard_hits": GuardPlan(name="guard_hits", margin=1.5, required=False),
}
_RATIOS: frozenset[GuardName] = frozenset({"errors", "slow", "rating_rate", "refusals", "guard_hits"})
_WITH_FLOOR: frozenset[GuardName] = frozenset({"errors", "slow"})
_WHY_OPTIONAL: dict[GuardName, str] = {
    "ratings": "people who rate are no sample of all",
    "rating_rate": "people who rate are no sample of all",
    "refusals": "declining is right of some requests",
    "guard_hits": "guards see what they look for only",
}


class GuardsConfig(Section):
    """The guards of a release."""

    errors: ReleaseGuardConfig = Field(ReleaseGuardConfig.defaults(), description="requests that failed")
    slow: ReleaseGuardConfig = Field(
        ReleaseGuardConfig.defaults(), description="requests slower than what counts as slow"
    )
    cost: ReleaseGuardConfig = Field(ReleaseGuardConfig.defaults(), description="dollars a request")
    judge: ReleaseGuardConfig = Field(ReleaseGuardConfig.defaults(), description="a judge's score")
    ratings: ReleaseGuardConfig = Field(ReleaseGuardConfig.defaults(), description="people's ratings")
    rating_rate: ReleaseGuardConfig = Field(
        ReleaseGuardConfig.defaults(), description="how many requests are rated, more or fewer"
    )
    refusals: ReleaseGuardConfig = Field(
        ReleaseGuardConfig.defaults(),
        description="answers that decline, of sampled requests, and requests refused upstream",
    )
    guard_hits: ReleaseGuardConfig = Field(
        ReleaseGuardConfig.defaults(), description="answers that a guard blocked, rewrote or warned of"
    )

    @model_validator(mode="after")
    def _check_kinds(self) -> GuardsConfig:
        for name, usual in _DEFAULTS.items():
            guard: ReleaseGuardConfig = getattr(self, name)
            if name in _RATIOS and guard.margin is not None and guard.margin <= 1.0:
                raise ValueError(f"{name}.margin: {guard.margin:g} is a ratio of rates; expected above 1, such as 1.5")
            if name not in _WITH_FLOOR and guard.floor is not None:
                raise ValueError(f"{name}.floor: only errors and slow have one")
            if guard.required and not usual.required:
                raise ValueError(f"{name}.required: {_WHY_OPTIONAL[name]}; it can only roll back")
        return self

    def plan(self) -> tuple[GuardPlan, ...]:
        return tuple(_complete(getattr(self, name), usual) for name, usual in _DEFAULTS.items())


def _complete(guard: ReleaseGuardConfig, usual: GuardPlan) -> GuardPlan:
    return GuardPlan(
        name=usual.name,
        margin=usual.margin if guard.margin is None else guard.margin,
        floor=usual.floor if guard.floor is None else guard.floor,
        required=usual.required if guard.required is None else guard.required,
        minimum_units=guard.minimum_units,
        maximum_duration_s=guard.maximum_duration_s,
    )


RUBRIC: Final = "Which answer is more correct, more complete and more helpful to the person who asked?"


class JudgeConfig(Section):
    """A model that compares answers while a release is in progress."""

    model: str = Field(min_length=1, description="name of a model in this file, better not one of the two compared")
    rubric: str = Field(RUBRIC, min_length=1, description="what makes an answer better")
    sample: float = Field(1.0, gt=0, le=1, description="share of the shadow's requests that it compares")

    def plan(self) -> JudgePlan:
        return JudgePlan(model=self.model, rubric=self.rubric, sample=self.sample)


class ReleaseShadowConfig(Section):
    """Copies of requests to the candidate, whose answers nobody gets. Tools are off in them."""

    sample: float = Field(
        0.1, ge=0, le=1, description="share of requests that are copied; 0 begins with the first step at once"
    )
    minimum: int = Field(200, ge=1, description="copies that are answered before the first people get the candidate")


class RegistryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where files of registered versions lie. None: in the home."""

    storage: str | None = None


class RegistryConfig(Section):
    """Versions of models."""

    storage: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9+.-]+://",
        description="address of their files, such as s3://bucket/models (extra `remote`); in home by default",
    )

    def plan(self) -> RegistryPlan:
        return RegistryPlan(storage=self.storage)


class ImproveStepConfig(Section):
    """One command of the circle."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="its name, such as train")
    command: list[str] = Field(
        min_length=1, description="the command and its arguments; {run} is the run's folder, a new one each time"
    )
    retries: int = Field(0, ge=0, le=10, description="how often it is tried again after it failed")
    timeout_s: float = Field(86400.0, gt=0, description="seconds after which it is ended and has failed")

    def plan(self) -> StepPlan:
        return StepPlan(name=self.name, command=tuple(self.command), retries=self.retries, timeout_s=self.timeout_s)


class ImproveConfig(Section):
    """When a better model is trained from what people said, and by which commands."""

    mode: Literal["off", "propose", "act"] = Field(
        "off", description="propose: a run waits for `steward improve run`; act: it begins by itself"
    )
    steps: list[ImproveStepConfig] = Field(
        default=[], description="commands, one after another; the first that fails ends the run"
    )
    every_days: float | None = Field(None, gt=0, description="begin after so many days, whatever was said")
    minimum_rows: int = Field(200, ge=1, description="new ratings before a run begins for them")
    minimum_share: float = Field(0.2, ge=0, description="and new ratings as a share of those of the last run")
    on_drop: bool = Field(True, description="begin when quality dropped in two of the last three days")
    patience_days: float = Field(30.0, ge=0, description="days after which new ratings alone are enough")
    cool_down_days: float = Field(7.0, ge=0, description="days after a run in which none begins by itself")

    @model_validator(mode="after")
    def _check_steps(self) -> ImproveConfig:
        names = [step.name for step in self.steps]
        if self.mode != "off" and not names:
            raise ValueError("steps: expected at least one command, such as [steward, train, run, train.yaml]")
        if len(set(names)) < len(names):
            raise ValueError(f"steps: two have the same name among {', '.join(names)}")
        return self

    def plan(self) -> ImprovePlan:
        return ImprovePlan(
            mode=self.mode,
            steps=tuple(step.plan() for step in self.steps),
            every_s=None if self.every_days is None else self.every_days * 86400.0,
            minimum_rows=self.minimum_rows,
            minimum_share=self.minimum_share,
            on_drop=self.on_drop,
            patience_s=self.patience_days * 86400.0,
            cool_down_s=self.cool_down_days * 86400.0,
        )


class ReleaseConfig(Section):
    """How a new version takes over, and what takes it back."""

    steps: list[float] = Field(
        default=[0.05, 0.25, 0.5], min_length=1, description="shares of people who get the candidate, one after another"
    )
    promotion_alpha: float = Field(
        0.05, gt=0, le=0.2, description="chance that a guard passes a candidate that is exactly at its margin"
    )
    rollback_alpha: float = Field(
        0.008, gt=0, le=0.2, description="chance that any guard takes back a candidate as good as the champion"
    )
    planned_units: int = Field(
        5000, ge=50, description="people after whom intervals of means are narrowest; they hold at any number"
    )
    minimum_duration_s: float = Field(600.0, ge=0, description="seconds that a release lasts before a promotion")
    warm_up_s: float = Field(60.0, ge=0, description="seconds at the beginning that count for neither")
    look_every_s: float = Field(60.0, gt=0, description="seconds between two looks at the guards")
    step_minimum_s: float = Field(600.0, ge=0, description="seconds that a share lasts before the next one")
    step_minimum_people: int = Field(
        50, ge=1, description="people who had the candidate at a share before the next one; without names, requests"
    )
    holdback: float = Field(0.01, ge=0, le=0.5, description="share of people who keep the champion after a promotion")
    slow_s: float | None = Field(
        None, gt=0, description="seconds after which an answer is slow; null: the champion's 95th percentile of a week"
    )
    shadow: ReleaseShadowConfig = Field(
        ReleaseShadowConfig.defaults(), description="what comes before anybody gets the candidate"
    )
    judge: JudgeConfig | None = Field(None, description="who compares answers; without one, the guard judge is open")
    guards: GuardsConfig = Field(GuardsConfig.defaults(), description="what is compared")

    @field_validator("steps")
    @classmethod
    def _check_steps(cls, value: list[float]) -> list[float]:
        if any(not 0 < step < 1 for step in value) or sorted(set(value)) != value:
            raise ValueError(f"{value}: expected growing shares between 0 and 1, such as [0.05, 0.25, 0.5]")
        return value

    def plan(self) -> ReleasePlan:
        return ReleasePlan(
            guards=self.guards.plan(),
            steps=tuple(self.steps),
            promotion_alpha=self.promotion_alpha,
            rollback_alpha=self.rollback_alpha,
            planned_units=self.planned_units,
            minimum_duration_s=self.minimum_duration_s,
            warm_up_s=self.warm_up_s,
            look_every_s=self.look_every_s,
            step_minimum_s=self.step_minimum_s,
            step_minimum_people=self.step_minimum_people,
            holdback=self.holdback,
            slow_s=self.slow_s,
            shadow_sample=self.shadow.sample,
            shadow_minimum=self.shadow.minimum,
            judge=None if self.judge is None else self.judge.plan(),
        )
