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
from steward.capacity.fit import fit_terms
from steward.capacity.measurements import read_shipped_measurements
from steward.capacity.step_time import WIDTHS, Terms
from steward.capacity.uncertainty import choose_ratios, list_unseen_errors

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
    chosen = choose_ratios(list_unseen_errors(read_shipped_measurements()))
    ratios = msgspec.json.encode({name: tuple(round(value, 3) for value in pair) for name, pair in chosen.items()})
    RATIOS.write_bytes(ratios + b"\n")
    print(ratios.decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
