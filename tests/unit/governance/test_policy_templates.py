"""Each template is a section that steward.yaml takes, and asks for no less than the one below it."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml

from steward.governance.config import ApprovalPolicyConfig
from steward.governance.policy_templates import TEMPLATES
from steward.governance.readiness import LEVELS, Level


@pytest.mark.parametrize("level", LEVELS)
def test_a_template_is_a_section(level: Level) -> None:
    assert TEMPLATES[level].startswith("# ")
    ApprovalPolicyConfig.model_validate(yaml.safe_load(TEMPLATES[level])["approval_policy"])


def count_approvals(level: Level, kind: str) -> int:
    section = yaml.safe_load(TEMPLATES[level])["approval_policy"].get(kind, [])
    return sum(item.get("count", 1) for item in section if item["kind"] == "approvals")


def test_a_higher_level_asks_for_more() -> None:
    kinds = ("settings", "prompts", "releases", "waivers", "cards")
    asked = {level: [count_approvals(level, kind) for kind in kinds] for level in LEVELS}
    assert asked == {
        "prototype": [0, 0, 0, 0, 0],
        "internal": [0, 1, 0, 0, 0],
        "production": [1, 1, 1, 1, 0],
        "regulated": [2, 2, 2, 2, 1],
    }
    assert list(TEMPLATES) == list(get_args(Level))
