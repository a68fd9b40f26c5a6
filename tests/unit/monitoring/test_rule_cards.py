"""Each rule has a card, and each runbook's commands exist."""

import re

import pytest

from steward.cli.commands import STEWARD
from steward.monitoring.conditions import FACTS
from steward.monitoring.rule_cards import find_runbook, make_cards
from steward.monitoring.rules import DEFAULT_RULES, BurnRate


def test_every_rule_that_comes_with_steward_says_what_to_do() -> None:
    cards = make_cards(DEFAULT_RULES, FACTS)
    assert [card.name for card in cards] == [rule.name for rule in DEFAULT_RULES] + [name for name, _, _ in FACTS]
    for card in cards:
        assert card.summary and not card.runbook.startswith("steward alerts show"), card.name
    assert cards[0].basis == "measured" and cards[0].false_alarms_per_month == pytest.approx(2.996 / 60)
    assert (cards[-1].basis, cards[-1].false_alarms_per_month) == ("of a fact", None)


def test_a_rule_that_fired_in_a_healthy_month_says_so() -> None:
    """R: qchisq(0.95, 2 * (1 + 1)) / 2 is 4.744, of one in 60 months."""
    rates = {card.name: card.false_alarms_per_month for card in make_cards(DEFAULT_RULES)}
    assert rates.pop("latency-up") == pytest.approx(4.744 / 60) and set(rates.values()) == {2.996 / 60}


def test_a_rule_that_was_changed_has_not_been_measured() -> None:
    (card,) = make_cards([BurnRate(name="error-burn", severity="page", objective=0.9)])
    assert (card.basis, card.false_alarms_per_month) == ("not measured", None)


def test_rules_of_the_users_own() -> None:
    assert find_runbook("slo-fast") == find_runbook("slo-fast-slow") and "slo status" in find_runbook("slo-fast")
    assert find_runbook("mine") == "steward alerts show mine"


def test_commands_in_runbooks_exist() -> None:
    groups = {entry.name: {one.name for one in getattr(entry, "commands", ())} for entry in STEWARD.commands}
    for name in [*(rule.name for rule in DEFAULT_RULES), *(name for name, _, _ in FACTS), "slo-x"]:
        for group, command in re.findall(r"steward ([a-z]+)(?: ([a-z]+))?", find_runbook(name)):
            assert group in groups, name
            assert not command or not groups[group] or command in groups[group], (name, group, command)
