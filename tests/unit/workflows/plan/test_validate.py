"""Splitting a table into rows to fit and rows to test."""

from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec

from steward.capacity.catalog import TABLES
from steward.capacity.measurements import read_measurements, read_shipped_measurements
from steward.capacity.step_time import load_shipped_terms
from steward.workflows.plan.validate import split_fit, validate_file


def test_rows_are_picked_evenly_and_the_rest_is_tested() -> None:
    """Of eleven rows, three: the first, the middle, the last. A deployment of two rows is left out."""
    rows = [
        msgspec.structs.replace(row, id=str(at), group="big" if at < 11 else "small")
        for at, row in enumerate(read_shipped_measurements()[:13])
    ]
    tested, terms = split_fit(rows, 3, load_shipped_terms())
    assert [row.id for row in tested] == ["1", "2", "3", "4", "6", "7", "8", "9"] == list(terms)
    assert [row.id for row in split_fit(rows[:3], 1, load_shipped_terms())[0]] == ["1", "2"]


def test_a_deployment_needs_more_rows_than_it_is_fitted_to() -> None:
    rows = [
        msgspec.structs.replace(row, id=str(at), group="one") for at, row in enumerate(read_shipped_measurements()[:4])
    ]
    assert split_fit(rows[:3], 3, load_shipped_terms()) == ([], {})
    assert [row.id for row in split_fit(rows, 2, load_shipped_terms())[0]] == ["1", "2"]  # the first and the last


def test_without_rows_to_fit_all_are_tested(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    with (TABLES / "throughput.csv").open() as shipped:
        table.write_text("".join(islice(shipped, 16)))
    rows, _ = read_measurements(table)
    counts = Counter(row.group for row in rows)
    assert len(rows) > 5 and max(counts.values()) > 2
    assert validate_file(table, tmp_path).rows == len(rows)
    left = sum(count - 2 for count in counts.values() if count > 2)
    assert validate_file(table, tmp_path, calibrate_rows=2).rows == left
