"""The stage `pii` gets privacy's detectors: the same kinds, profiles and actions as everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_batches import apply
from steward.core.errors import UnknownName
from steward.data.stages.pii import Pii
from steward.workflows.curate import add_detector, find_personal_data

TEXT = "bob@example.com was born on 1985-03-12; SSN 536-90-4399."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "[EMAIL] was born on [DATE_OF_BIRTH]; SSN [US_SSN]."),
        ({"entities": ("US_SSN",)}, "bob@example.com was born on 1985-03-12; SSN [US_SSN]."),
        ({"profile": "pci"}, TEXT),
        ({"action": "mask"}, "***@*******.*** was born on ****-**-**; SSN ***-**-****."),
        ({"action": "redact"}, "[EMAIL REDACTED] was born on [BIRTH REDACTED]; SSN [SSN REDACTED]."),
        (
            {"action": "generalise", "profile": "hipaa_safe_harbor"},
            "[EMAIL REDACTED] was born on 1985; SSN [SSN REDACTED].",
        ),
    ],
)
def test_profiles_entities_and_actions(fields: dict[str, Any], expected: str) -> None:
    assert apply(add_detector(Pii(**fields)), TEXT)[0] == [expected]


@pytest.mark.parametrize("fields", [{"profile": "hippa"}, {"entities": ("US_SNN",)}])
def test_what_is_not_known_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(UnknownName):
        add_detector(Pii(**fields))


def test_a_detector_that_is_given_stays() -> None:
    stage = Pii(detector=find_personal_data)
    assert add_detector(stage) is stage


def test_the_detectors_of_a_steward_yaml_look_for_more(tmp_path: Path) -> None:
    config = tmp_path / "steward.yaml"
    config.write_text("privacy: {detectors: [{name: badge, pattern: 'B-[0-9]{4}'}]}\n")
    stage = add_detector(Pii(detectors=str(config)))
    assert apply(stage, "badge B-1234 of bob@example.com")[0] == ["badge [CUSTOM] of [EMAIL]"]
