"""The control map names checks and commands that there are, and says what it leaves out."""

from __future__ import annotations

import pytest

from steward.governance.checks import CHECKS
from steward.governance.frameworks import FRAMEWORKS, ML_TEST_SCORE, Control, Framework
from told_commands import find_mistake

CONTROLS = [(framework.name, control) for framework in FRAMEWORKS for control in framework.controls]


def name_control(value: object) -> str:
    return value.id if isinstance(value, Control) else str(value)


@pytest.mark.parametrize(("framework", "control"), CONTROLS, ids=name_control)
def test_a_control_names_what_there_is(framework: str, control: Control) -> None:
    assert set(control.checks) <= {check.id for check in CHECKS}
    assert control.keeps == "" or find_mistake(control.keeps) == ""
    assert control.checks or control.keeps or control.people, f"{framework}: nothing speaks for {control.id}"


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.name)
def test_the_controls_of_a_framework_have_names_of_their_own(framework: Framework) -> None:
    ids = [control.id for control in framework.controls]
    assert len(ids) == len(set(ids))


def test_the_ml_test_score_is_whole() -> None:
    """Breck et al. 2017: seven tests of each of data, model, infrastructure and monitoring."""
    counts = {group: 0 for group in ("Data", "Model", "Infra", "Monitor")}
    for control in ML_TEST_SCORE.controls:
        counts[control.id.split()[0]] += 1
    assert counts == {"Data": 7, "Model": 7, "Infra": 7, "Monitor": 7}
    left_out = [control.id for control in ML_TEST_SCORE.controls if "no counterpart" in control.people]
    assert left_out == ["Data 2", "Data 3", "Data 6", "Infra 2", "Infra 5", "Monitor 5"]
    for_people = [control.id for control in ML_TEST_SCORE.controls if not control.checks and not control.keeps]
    assert for_people == sorted([*left_out, "Data 7"], key=lambda name: ("DIM".index(name[0]), name)), "each says why"


def test_licensed_texts_are_not_quoted() -> None:
    """ISO/IEC 42001 and SOC 2 are licensed: their controls are named by id and by short words of our own."""
    for framework in FRAMEWORKS:
        if framework.name in ("iso-42001", "soc-2"):
            assert all(len(control.title.split()) <= 6 for control in framework.controls)
            assert "licensed" in framework.note
