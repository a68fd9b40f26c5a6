"""Rules in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.monitoring.rule_file import read_rules
from steward.monitoring.rules import DEFAULT_RULES, BurnRate


def read(tmp_path: Path, text: str) -> tuple[object, ...]:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return read_rules(path)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "rules: []"])
def test_an_empty_file_means_stewards_own(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == DEFAULT_RULES


def test_a_rule_of_ones_own_alone_or_beside_the_defaults(tmp_path: Path) -> None:
    text = "rules: [{name: error-burn, kind: burn_rate, objective: 0.999, severity: page}]"
    own = BurnRate(name="error-burn", objective=0.999, severity="page")
    assert read(tmp_path, text) == (own,)
    beside = read(tmp_path, text + "\ndefaults: true")
    assert len(beside) == len(DEFAULT_RULES) and beside[-1] == own


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules: [{name: a, kind: magic}]", "Invalid value 'magic'"),
        ("rules: [{name: a, kind: burn_rate, objectiv: 0.9}]", "unknown field `objectiv`"),
        ("rules: [{name: a, kind: burn_rate, objective: 1.0}]", "objective"),
        ("rules: [{name: a, kind: burn_rate}, {name: a, kind: traffic_gone}]", "two rules are named 'a'"),
        ("rules: [{name: a, kind: burn_rate, needed: 3, looks: 2}]", "needs 3 wrong looks of 2"),
        ("rules: [{name: a, kind: burn_rate, inhibited_by: [error-burns]}]", "did you mean 'error-burn'"),
        ("rules: [", "not YAML"),
        ("7", "Expected `object`"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"rules\.yaml.*") as caught:
        read(tmp_path, text)
    assert expected in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_rules(tmp_path / "none.yaml")
