"""The section `capture`: off by itself, and what its rules become."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.gateway.capture import CapturePlan, CaptureRule
from steward.gateway.capture_config import CaptureConfig, CaptureRuleConfig
from steward.settings import Settings


def test_nothing_is_kept_unless_asked_for() -> None:
    assert CaptureConfig().plan() == CapturePlan() and CapturePlan().rules == ()


def test_a_rule_keeps_masked_texts_for_thirty_days_unless_told() -> None:
    plan = CaptureConfig.model_validate({"rules": [{"purpose": "training"}]}).plan()
    assert plan.rules == (CaptureRule(purpose="training", keep_s=2_592_000.0, form="masked"),)
    told = {"purpose": "support", "route": "r", "project": "p", "sample": 0.5, "keep_days": 2, "text": "as_sent"}
    rule = CaptureRule(purpose="support", route="r", project="p", sample=0.5, keep_s=172_800.0, form="as_sent")
    assert CaptureConfig.model_validate({"rules": [told]}).plan().rules == (rule,)


@pytest.mark.parametrize(
    "rule", [{}, {"purpose": "fun"}, {"purpose": "support", "sample": 0}, {"purpose": "support", "keep_days": 0}]
)
def test_a_rule_without_a_purpose_or_an_end_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CaptureConfig.model_validate({"rules": [rule]})


def test_masked_texts_need_a_profile_that_masks() -> None:
    rules = [{"purpose": "support", "text": "as_sent"}, {"purpose": "support"}]
    with pytest.raises(ValidationError, match=r"capture.rules.1 keeps masked texts, and privacy.profile is off"):
        Settings.model_validate({"capture": {"rules": rules}})
    Settings.model_validate({"capture": {"rules": rules[:1]}})
    Settings.model_validate({"capture": {"rules": rules}, "privacy": {"profile": "gdpr"}})


def test_ranges_of_what_is_kept() -> None:
    assert read_ranges(CaptureRuleConfig) == {"sample": "0 < x <= 1", "keep_days": "0 < x <= 3650"}  # ten years
    assert read_ranges(CaptureConfig) == {
        "max_exchange_bytes": "1024 <= x <= 16777216",  # 1 KiB to 16 MiB
        "max_spool_bytes": "16777216 <= x",  # the longest exchange fits
    }
