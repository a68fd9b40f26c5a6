"""The policy of a release: what stands by default, and what cannot be asked for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_limits, read_ranges
from steward.improvement.config import (
    GuardPlan,
    ImproveConfig,
    ImproveStepConfig,
    JudgeConfig,
    JudgePlan,
    ReleaseConfig,
    ReleaseGuardConfig,
    ReleasePlan,
    ReleaseShadowConfig,
)
from steward.improvement.triggers import ImprovePlan, StepPlan


def test_the_usual_policy() -> None:
    plan = ReleaseConfig().plan()
    assert plan == ReleasePlan(guards=plan.guards)
    assert plan.guards == (
        GuardPlan(name="errors", margin=2.0, floor=0.002, required=True),
        GuardPlan(name="slow", margin=1.5, floor=0.01, required=True),
        GuardPlan(name="cost", margin=0.05, required=True),
        GuardPlan(name="judge", margin=0.03, required=True),
        GuardPlan(name="ratings", margin=0.1, required=False),
        GuardPlan(name="rating_rate", margin=1.5, required=False),
        GuardPlan(name="refusals", margin=1.5, required=False),
        GuardPlan(name="guard_hits", margin=1.5, required=False),
    )


def test_every_field_arrives() -> None:
    guard = {"margin": 1.2, "floor": 0.05, "required": False, "minimum_units": 9, "maximum_duration_s": 60.0}
    tree: dict[str, Any] = {
        "steps": [0.1, 0.3], "promotion_alpha": 0.1, "rollback_alpha": 0.02, "planned_units": 400,
        "minimum_duration_s": 5.0, "warm_up_s": 7.0, "look_every_s": 9.0, "guards": {"errors": guard},
    }  # fmt: skip
    plan = ReleaseConfig.model_validate(tree).plan()
    assert plan.guards[0] == GuardPlan(
        name="errors", margin=1.2, floor=0.05, required=False, minimum_units=9, maximum_duration_s=60.0
    )
    assert (plan.steps, plan.promotion_alpha, plan.rollback_alpha, plan.planned_units) == ((0.1, 0.3), 0.1, 0.02, 400)
    assert (plan.minimum_duration_s, plan.warm_up_s, plan.look_every_s) == (5.0, 7.0, 9.0)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"steps": []}, "at least 1 item"),
        ({"steps": [0.5, 0.2]}, "expected growing shares between 0 and 1"),
        ({"steps": [0.5, 1.0]}, "expected growing shares"),
        ({"steps": [0.5, 0.5]}, "expected growing shares"),
        ({"guards": {"slow": {"margin": 1.0}}}, "slow.margin: 1 is a ratio of rates; expected above 1"),
        ({"guards": {"judge": {"floor": 0.1}}}, "judge.floor: only errors and slow have one"),
        ({"guards": {"ratings": {"required": True}}}, "ratings.required: people who rate are no sample"),
        ({"guards": {"refusals": {"required": True}}}, "refusals.required: declining is right of some requests"),
        ({"guards": {"guard_hits": {"required": True}}}, "guard_hits.required: guards see what they look for only"),
        ({"guards": {"refusals": {"margin": 0.9}}}, "refusals.margin: 0.9 is a ratio of rates"),
        ({"guards": {"guard_hits": {"floor": 0.1}}}, "guard_hits.floor: only errors and slow have one"),
        ({"guards": {"tone": {}}}, "Extra inputs"),
        ({"promotion_alpha": 0.0}, "greater than 0"),
    ],
)
def test_what_cannot_be_asked_for(tree: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ReleaseConfig.model_validate(tree)


def test_days_of_the_circle_are_seconds_of_its_plan() -> None:
    step = {"name": "train", "command": ["steward", "train", "run", "t.yaml"], "retries": 1}
    settings = {"mode": "act", "steps": [step], "every_days": 2, "patience_days": 3, "cool_down_days": 0.5}
    plan = ImproveConfig.model_validate(settings).plan()
    assert (plan.every_s, plan.patience_s, plan.cool_down_s) == (172800.0, 259200.0, 43200.0)
    assert (plan.steps[0].command, plan.steps[0].retries) == (("steward", "train", "run", "t.yaml"), 1)
    assert ImproveConfig().plan() == ImprovePlan()


def test_a_circle_without_steps_or_with_two_of_one_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected at least one command"):
        ImproveConfig(mode="act")
    step = {"name": "train", "command": ["a"]}
    with pytest.raises(ValidationError, match="two have the same name"):
        ImproveConfig.model_validate({"steps": [step, step]})


def test_ranges_of_numbers_that_are_accepted() -> None:
    assert read_ranges(ReleaseConfig) == {
        "promotion_alpha": "0 < x <= 0.2",
        "rollback_alpha": "0 < x <= 0.2",
        "planned_units": "50 <= x",
        "minimum_duration_s": "0 <= x",
        "warm_up_s": "0 <= x",
        "look_every_s": "0 < x",
        "step_minimum_s": "0 <= x",
        "step_minimum_people": "1 <= x",
        "holdback": "0 <= x <= 0.5",
        "slow_s": "0 < x",
    }
    assert read_ranges(ReleaseGuardConfig) == {
        "margin": "0 < x",
        "floor": "0 < x < 1",
        "minimum_units": "2 <= x",  # a variance needs two
        "maximum_duration_s": "0 < x",
    }
    assert read_ranges(JudgeConfig) == {"sample": "0 < x <= 1"}
    assert read_ranges(ReleaseShadowConfig) == {"sample": "0 <= x <= 1", "minimum": "1 <= x"}
    assert read_ranges(ImproveStepConfig) == {"retries": "0 <= x <= 10", "timeout_s": "0 < x"}
    assert read_ranges(ImproveConfig)["minimum_rows"] == "1 <= x"


# docs/reference/settings.md, `releases` and `improve`; 1,209,600 s are a fortnight, 604,800 a week.
@pytest.mark.parametrize(
    ("section", "limits"),
    [
        (GuardPlan, {"minimum_units": "50:", "maximum_duration_s": "1209600.0:"}),
        (JudgePlan, {"sample": "1.0:"}),
        (
            ReleasePlan,
            {
                "promotion_alpha": "0.05:",
                "rollback_alpha": "0.008:",
                "planned_units": "5000:",
                "minimum_duration_s": "600.0:",
                "warm_up_s": "60.0:",
                "look_every_s": "60.0:",
                "step_minimum_s": "600.0:",
                "step_minimum_people": "50:",
                "holdback": "0.01:",
                "shadow_sample": "0.1:",
                "shadow_minimum": "200:",
            },
        ),
        (
            ReleaseConfig,
            {
                "steps": "1 <= n",
                "promotion_alpha": "0.05: 0 < x <= 0.2",
                "rollback_alpha": "0.008: 0 < x <= 0.2",
                "planned_units": "5000: 50 <= x",
                "minimum_duration_s": "600.0: 0 <= x",
                "warm_up_s": "60.0: 0 <= x",
                "look_every_s": "60.0: 0 < x",
                "step_minimum_s": "600.0: 0 <= x",
                "step_minimum_people": "50: 1 <= x",
                "holdback": "0.01: 0 <= x <= 0.5",
                "slow_s": "0 < x",
            },
        ),
        (
            ReleaseGuardConfig,
            {
                "margin": "0 < x",
                "floor": "0 < x < 1",
                "minimum_units": "50: 2 <= x",
                "maximum_duration_s": "1209600.0: 0 < x",
            },
        ),
        (JudgeConfig, {"model": "1 <= n", "rubric": "1 <= n", "sample": "1.0: 0 < x <= 1"}),
        (ReleaseShadowConfig, {"sample": "0.1: 0 <= x <= 1", "minimum": "200: 1 <= x"}),
        (ImproveStepConfig, {"command": "1 <= n", "retries": "0: 0 <= x <= 10", "timeout_s": "86400.0: 0 < x"}),
        (
            ImproveConfig,
            {
                "every_days": "0 < x",
                "minimum_rows": "200: 1 <= x",
                "minimum_share": "0.2: 0 <= x",
                "patience_days": "30.0: 0 <= x",
                "cool_down_days": "7.0: 0 <= x",
            },
        ),
        (StepPlan, {"retries": "0:", "timeout_s": "86400.0:"}),
        (
            ImprovePlan,
            {"minimum_rows": "200:", "minimum_share": "0.2:", "patience_s": "2592000.0:", "cool_down_s": "604800.0:"},
        ),
    ],
)
def test_defaults_and_lengths_are_those_of_the_settings_reference(section: Any, limits: dict[str, str]) -> None:
    assert read_limits(section) == limits


def test_a_release_goes_by_a_twentieth_a_quarter_and_a_half() -> None:
    assert ReleasePlan(guards=()).steps == (0.05, 0.25, 0.5) and ReleaseConfig().steps == [0.05, 0.25, 0.5]
