"""What a home keeps of its plan."""

from pathlib import Path

import msgspec
import pytest

from steward.capacity.calibrate import Calibration
from steward.capacity.catalog import find_model
from steward.capacity.measurements import Measurement, MetricError
from steward.capacity.predict import Load
from steward.capacity.step_time import Terms
from steward.capacity.uncertainty import load_shipped_ratios
from steward.core.errors import InputError
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment
from steward.workflows.plan.home import (
    StoredCalibrations,
    add_calibration,
    load_calibrations,
    read_calibrations,
    read_plan,
    save_calibrations,
)

DEPLOYMENT = resolve_deployment(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), find_model("llama-3.1-8b").model)
ROW = Measurement(
    id="1", group="g", deployment=DEPLOYMENT, measured={},
    load=Load(kind="closed", concurrency=1, input_tokens=9, output_tokens=9),
)  # fmt: skip
FITTED = Terms(bandwidth=0.5)
ERRORS = {"tpot_ms": MetricError(9, 0.05, 0.25), "ttft_ms": MetricError(0, None, None)}


def calibrated() -> StoredCalibrations:
    made = Calibration(
        deployment="d", rows=9, before=ERRORS, after=ERRORS, held_out=None, terms=FITTED  # type: ignore[arg-type]
    )  # fmt: skip
    return add_calibration(StoredCalibrations(), [ROW], made)


def test_an_interval_is_as_wide_as_nine_tenths_of_the_errors() -> None:
    found = calibrated().find(DEPLOYMENT)
    assert found is not None and found[0] == FITTED
    assert found[1]["tpot_ms"] == (pytest.approx(1 / 1.25), 1.25)
    assert found[1]["ttft_ms"] == load_shipped_ratios()["ttft_ms"]  # nothing of it was measured


def test_a_calibration_helps_with_other_degrees_but_not_with_another_card() -> None:
    stored = calibrated()
    assert stored.find_terms(msgspec.structs.replace(DEPLOYMENT, tp=4), Terms()) == FITTED
    other = resolve_deployment(DeploymentSpec(model="llama-3.1-8b", gpu="l4"), DEPLOYMENT.model)
    assert stored.find(other) is None and stored.find_terms(other, Terms()) == Terms()


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    assert load_calibrations(tmp_path) == load_calibrations(None) == StoredCalibrations()
    save_calibrations(tmp_path, calibrated())
    assert load_calibrations(tmp_path) == calibrated()


@pytest.mark.parametrize("name", ["plan.json", "calibration.json"])
def test_files_changed_by_hand_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / name).write_text("{")
    with pytest.raises(InputError, match=name):
        (read_plan if name == "plan.json" else load_calibrations)(tmp_path)
    with pytest.raises(InputError, match="no plan is saved here"):
        read_plan(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="expected a file that"):
        read_calibrations(tmp_path / "nowhere.json")
