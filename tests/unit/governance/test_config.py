"""The section as people write it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ranges import read_limits, read_ranges
from settings_reference import describe_settings, read_settings
from steward.governance.approval_policy import ApprovalsRequirement, EvidenceRequirement, WindowRequirement
from steward.governance.config import (
    AccountText,
    ApprovalPolicyConfig,
    FairnessAuditConfig,
    FairnessConfig,
    RequirementConfig,
)
from steward.governance.fairness_schedule import FairnessAudit

DAY = 86400.0


@pytest.mark.parametrize(
    ("written", "requirement"),
    [
        ({"kind": "approvals"}, ApprovalsRequirement(count=1, valid_s=7 * DAY)),
        ({"kind": "approvals", "count": 2, "valid": "12h"}, ApprovalsRequirement(count=2, valid_s=43200.0)),
        ({"kind": "audit"}, EvidenceRequirement(check="audit.verify", within_s=30 * DAY)),
        (
            {"kind": "gate", "within": "2w", "subject": "big"},
            EvidenceRequirement(check="evaluation.gate", within_s=14 * DAY, subject="big"),
        ),
        ({"kind": "window"}, WindowRequirement()),
        (
            {"kind": "window", "days": ["fri"], "start": "08:30", "end": "24:00", "timezone": "Asia/Tokyo"},
            WindowRequirement(days=("fri",), start_minute=510, end_minute=1440, timezone="Asia/Tokyo"),
        ),
    ],
)
def test_what_is_written_is_what_is_required(written: dict[str, Any], requirement: Any) -> None:
    policy = ApprovalPolicyConfig.model_validate({"settings": [written]}).policy()
    assert policy.settings == (requirement,) and policy.prompts == ()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"kind": "approvals", "within": "1d"}, "kind: approvals takes no within; it takes count, valid"),
        ({"kind": "window", "count": 2}, "kind: window takes no count"),
        ({"kind": "approvals", "count": 0}, "greater than or equal to 1"),
        ({"kind": "approvals", "valid": "soon"}, "such as 90s, 15m, 24h, 30d or 2w"),
        ({"kind": "window", "start": "10:00", "end": "10:00"}, "before it starts at 10:00"),
        ({"kind": "window", "start": "24:01"}, "match pattern"),
        ({"kind": "window", "days": []}, "at least 1 item"),
        ({"kind": "window", "timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"kind": "window", "timezone": "../../etc/passwd"}, "no time zone"),
        ({"kind": "vote"}, "'approvals', 'gate', 'audit' or 'window'"),
    ],
)
def test_what_makes_no_sense_is_refused(written: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        RequirementConfig.model_validate(written)
    assert told in str(error.value)


def test_a_change_needs_one_to_ten_approvals() -> None:
    assert read_ranges(RequirementConfig) == {"count": "1 <= x <= 10"}
    assert RequirementConfig(kind="approvals").count == 1


AUDIT: dict[str, Any] = {"name": "support", "suite": "s.yaml", "model": "assistant"}


def test_an_audit_repeats_every_week_with_every_swap_unless_it_says_otherwise() -> None:
    assert FairnessAuditConfig(**AUDIT).audit() == FairnessAudit(
        name="support", suite="s.yaml", model="assistant", every_s=7 * DAY, margin=0.1
    )
    other = FairnessAuditConfig(**AUDIT, every="12h", margin=0.05, swaps=["gender"]).audit()
    assert (other.every_s, other.margin, other.swaps) == (43200.0, 0.05, ("gender",))
    assert FairnessConfig().plan() == () and len(FairnessConfig(audits=[FairnessAuditConfig(**AUDIT)]).plan()) == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"every": "soon"}, "every"),
        ({"margin": 0.0}, "margin"),
        ({"margin": 1.1}, "margin"),
        ({"swaps": ["age"]}, "no swap 'age'; expected one of gender"),
        ({"name": "../x"}, "name"),
        ({"suite": ""}, "suite"),
    ],
)
def test_an_audit_that_could_not_run_is_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FairnessAuditConfig(**{**AUDIT, **written})


def test_two_audits_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two audits have the same name among support, support"):
        FairnessConfig(audits=[FairnessAuditConfig(**AUDIT)] * 2)


def test_accounts_of_one_person_are_named_as_they_act() -> None:
    config = ApprovalPolicyConfig.model_validate({"people": {"anna": ["operator:7", "corp/8f", "person:corp/9"]}})
    assert config.policy().people == {"anna": ("operator:7", "person:corp/8f", "person:corp/9")}


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ({"anna": ["corp/8f"], "bob": ["person:corp/8f"]}, "corp/8f: named twice"),
        ({"anna": ["bob"], "bob": ["corp/8f"]}, "bob: named twice"),
        ({"anna": ["operator:root"]}, "String should match pattern"),
        ({"anna": ["key:k1"]}, "String should match pattern"),
        ({"An na": ["corp/8f"]}, "String should match pattern"),
    ],
)
def test_accounts_of_two_people_are_refused(people: dict[str, list[str]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ApprovalPolicyConfig.model_validate({"people": people})


def test_defaults_and_lengths_are_those_of_the_settings_reference() -> None:
    assert read_limits(RequirementConfig) == {"count": "1: 1 <= x <= 10", "days": "1 <= n"}
    assert read_limits(FairnessAuditConfig) == {"suite": "1 <= n", "model": "1 <= n", "margin": "0.1: 0 < x <= 1"}


def test_an_account_has_128_characters_at_most() -> None:
    account = TypeAdapter(AccountText)
    assert account.validate_python("a" * 128) == "a" * 128
    with pytest.raises(ValidationError):
        account.validate_python("a" * 129)


@pytest.mark.parametrize("section", ["approval_policy.", "fairness."])
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
