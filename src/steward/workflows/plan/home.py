"""What a deployment's home keeps of its plan: `plan/plan.json`, the plan in force, and `plan/calibration.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from steward.capacity.calibrate import Calibration, describe_deployment, describe_family
from steward.capacity.measurements import Measurement
from steward.capacity.memory import Deployment
from steward.capacity.plan import Plan
from steward.capacity.step_time import Terms
from steward.capacity.uncertainty import ErrorRatios, load_shipped_ratios
from steward.core.errors import InputError
from steward.core.files import make_private_folder, write_file


class StoredCalibrations(msgspec.Struct, frozen=True):
    """Fitted terms and ratios of predicted to measured, each by `describe_deployment` and by `describe_family`."""

    terms: dict[str, Terms] = {}
    ratios: dict[str, ErrorRatios] = {}

    def find(self, deployment: Deployment) -> tuple[Terms, ErrorRatios] | None:
        """The deployment's own calibration; else its family's, which was fitted at other parallel degrees."""
        for name in (describe_deployment(deployment), describe_family(deployment)):
            if name in self.terms:
                return self.terms[name], self.ratios[name]
        return None

    def find_terms(self, deployment: Deployment, default: Terms) -> Terms:
        calibrated = self.find(deployment)
        return calibrated[0] if calibrated else default


def load_calibrations(home: Path | None) -> StoredCalibrations:
    """None are stored in a new home, nor without one. :raises InputError: the file was changed by hand"""
    path = home / "plan" / "calibration.json" if home else None
    return StoredCalibrations() if path is None or not path.exists() else read_calibrations(path)


def read_calibrations(path: Path) -> StoredCalibrations:
    """:raises InputError: no such file, or another form"""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredCalibrations)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; expected a file that `steward plan calibrate --out` wrote"
        ) from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; remove the file and calibrate again") from error


def add_calibration(
    stored: StoredCalibrations, rows: Sequence[Measurement], calibration: Calibration
) -> StoredCalibrations:
    """The terms under every deployment of the rows and its family, with how far off predictions then were."""
    shipped = load_shipped_ratios()
    errors = calibration.held_out or calibration.after
    ratios: ErrorRatios = {
        metric: shipped[metric] if error.p90_error is None else (1 / (1 + error.p90_error), 1 + error.p90_error)
        for metric, error in errors.items()
    }
    names = {describe(row.deployment) for row in rows for describe in (describe_deployment, describe_family)}
    return StoredCalibrations(
        {**stored.terms, **dict.fromkeys(names, calibration.terms)}, {**stored.ratios, **dict.fromkeys(names, ratios)}
    )


def save_calibrations(home: Path, calibrations: StoredCalibrations) -> None:
    _write(home, "calibration.json", calibrations)


def save_plan(home: Path, plan: Plan) -> None:
    _write(home, "plan.json", plan)


def read_plan(home: Path) -> Plan:
    """:raises InputError: none is saved, or it was changed by hand"""
    path = home / "plan" / "plan.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError as error:
        raise InputError(f"{home}: no plan is saved here; make one with `steward plan … --keep`") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; make the plan again with --keep") from error


def _write(home: Path, name: str, record: StoredCalibrations | Plan) -> None:
    folder = home / "plan"
    make_private_folder(folder)
    write_file(folder / name, msgspec.json.encode(record), durable=True)
