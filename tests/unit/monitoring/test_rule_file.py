"""Rules in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.monitoring.rule_file import read_rule_set, read_rules
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
        ("rules: [{name: a, kind: burn_rate, inhibited_by: [a]}]", "rule 'a' is inhibited by itself"),
        ("rules: [{name: a, kind: burn_rate, pairs: [[5, 60, 14.4]]}]", "a pair of 5 and 60 minutes"),
        ("rules: [{name: a, kind: burn_rate, pairs: []}]", "length >= 1 - at `$.rules[0].pairs`"),
        ("rules: [{name: a, kind: failure_rise, windows: []}]", "length >= 1 - at `$.rules[0].windows`"),
        ("rules: [{name: a, kind: failure_rise, windows: [0]}]", "`int` >= 1 - at `$.rules[0].windows[0]`"),
        ("rules: [{name: a, kind: failure_rise, windows: [50401]}]", "`int` <= 50400"),
        ("rules: [{name: a, kind: failure_rise, alpha: 5}]", "`float` < 1.0 - at `$.rules[0].alpha`"),
        ("rules: [{name: a, kind: failure_rise, alpha: 0}]", "`float` > 0.0 - at `$.rules[0].alpha`"),
        ("rules: [{name: a, kind: failure_rise, slack: .nan}]", "`float` > 0.0 - at `$.rules[0].slack`"),
        ("rules: [{name: a, kind: failure_rise, days: -3}]", "`int` >= 1 - at `$.rules[0].days`"),
        ("rules: [{name: a, kind: level_shift, field: usd, ratio: 2, min_days: 30}]", "`int` <= 7"),
        ("rules: [{name: a, kind: level_shift, field: usd, ratio: 2, min_values: 0}]", "`int` >= 2"),
        (
            "rules: [{name: a, kind: level_shift, field: colour, ratio: 2}]",
            "Invalid enum value 'colour' - at `$.rules[0]",
        ),
        ("rules: [{name: a, kind: burn_rate, route: nowhere}]", "unknown field `route`"),
        ("rules: [{name: a, kind: burn_rate, channel: pager}]", "unknown field `channel`"),
        ("rules: [{name: a, kind: burn_rate, severity: loud}]", "Invalid enum value 'loud'"),
        ("rules: [{name: '', kind: burn_rate}]", "at `$.rules[0].name`"),
        ('rules: [{name: "a\\e[31m", kind: burn_rate}]', "at `$.rules[0].name`"),
        ("rules: [{name: 'external:x', kind: burn_rate}]", "at `$.rules[0].name`"),
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


SLOS = """
slos:
  - {name: answers, kind: availability, objective: 0.995}
  - {name: good, kind: quality, objective: 0.8, window_days: 14}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return path


def test_objectives_stand_beside_rules(tmp_path: Path) -> None:
    chosen = read_rule_set(write(tmp_path, SLOS))
    assert chosen.rules == DEFAULT_RULES
    assert [(plan.name, plan.kind, plan.window_days) for plan in chosen.slos] == [
        ("answers", "availability", 28), ("good", "quality", 14),
    ]  # fmt: skip
    assert read_rule_set(write(tmp_path, "")).slos == ()


def test_the_live_watch_has_its_objectives_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="move them to"):
        read_rules(write(tmp_path, SLOS))


@pytest.mark.parametrize(
    ("slo", "said"),
    [
        ("{name: a, kind: cost, objective: 0.9}", "needs threshold_usd"),
        ("{name: a, kind: quality, objective: 2}", "slos.0"),
        ("{name: a, kind: quality, objektive: 0.5}", "objective"),
        (
            "{name: a, kind: quality, objective: 0.5}\n  - {name: a, kind: ttft, objective: 0.5, threshold_ms: 5}",
            "one name",
        ),
        ("7", "slos"),
    ],
)
def test_objectives_that_steward_yaml_would_not_take(tmp_path: Path, slo: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_rule_set(write(tmp_path, f"slos:\n  - {slo}\n"))


def test_a_file_whose_aliases_multiply_is_refused_before_it_is_read(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InputError, match="more than 100,000 values"):
        read_rules(write(tmp_path, "\n".join(lines)))
