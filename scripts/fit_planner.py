"""Fits the planner's efficiency terms to the shipped measurements and writes them into the package.

    python scripts/fit_planner.py            # about 5 minutes; terms.json and ratios.json of the package
    python scripts/fit_planner.py --check    # the same, but only says whether the file would change

The prior is what the datasheets' critics measure (MFU 0.45-0.7, 75-85 % of bandwidth) with the widths below; see
docs/explanation/capacity.md. Nothing is fitted per model, GPU or engine version.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from steward.capacity.catalog import TABLES
from steward.capacity.fit import fit_leaving_one_out, fit_terms
from steward.capacity.measurements import METRICS, get_predicted, predict_measurement, read_shipped_measurements
from steward.capacity.step_time import WIDTHS, Terms

FILE, RATIOS = TABLES / "terms.json", TABLES / "ratios.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file would change")
    arguments = parser.parse_args()
    found = fit_terms(read_shipped_measurements(), Terms(), Terms(), WIDTHS, rounds=3)
    rounded = msgspec.structs.replace(found, **{name: float(f"{getattr(found, name):.4g}") for name in WIDTHS})
    text = msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n"
    if arguments.check:
        same = FILE.read_bytes() == text
        print("unchanged" if same else f"would change:\n{text.decode()}")
        return 0 if same else 1
    FILE.write_bytes(text)
    print(text.decode())
    ratios = msgspec.json.encode(unseen_ratios())
    RATIOS.write_bytes(ratios + b"\n")
    print(ratios.decode())
    return 0


def unseen_ratios() -> dict[str, tuple[float, float]]:
    """Quantiles 0.1 and 0.9 of predicted/measured, each group predicted by a fit that did not see it."""
    rows = read_shipped_measurements()
    own = fit_leaving_one_out(rows, Terms(), WIDTHS)
    found: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for row in rows:
        prediction = predict_measurement(row, own[row.group])
        for metric, value in row.measured.items():
            found[metric].append(get_predicted(prediction, metric) / value)
    return {
        metric: (round(sorted(values)[len(values) // 10], 3), round(sorted(values)[len(values) * 9 // 10], 3))
        for metric, values in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
