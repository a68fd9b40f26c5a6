from __future__ import annotations

from pathlib import Path

from console_home import HomeConsole, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.privacy import count_masked, list_kinds, list_rules
from steward.core.meters import MASKED, REQUESTS, MeterRow
from steward.privacy.policy import PrivacyPolicy


def test_without_a_guard_it_says_so_and_how_to_turn_one_on(tmp_path: Path) -> None:
    page = HomeConsole(tmp_path).get("/privacy")
    assert "Personal data is not masked" in page and "privacy: {profile: default}" in page


def test_what_is_masked_and_what_is_not_stands_there(tmp_path: Path) -> None:
    with serve_home(
        tmp_path, SETTINGS + "privacy: {profile: pci, routes: {assistant: {profile: secrets-only}}}\n"
    ) as home:
        page = read_text(HomeConsole(home).get("/privacy"))
    assert "Guards have replaced 0 values" in page and "Payment cards CREDIT_CARD mask" in page
    assert "E-mail addresses EMAIL_ADDRESS not masked" in page
    assert "route assistant SECRET CREDIT_CARD" in page


def test_counts_are_of_kinds() -> None:
    rows = [
        MeterRow(MASKED, (("route", "a"), ("kind", "email")), "", 3),
        MeterRow(MASKED, (("route", "b"), ("kind", "email")), "", 4),
        MeterRow(REQUESTS, (("route", "a"),), "", 9),
    ]
    assert count_masked(rows) == {"email": 7}
    first = list_kinds(PrivacyPolicy(actions={"EMAIL_ADDRESS": "mask"}), {"email": 7})[0]
    assert (first.name, first.action, first.count) == ("E-mail addresses", "mask", 7)


def test_rules_say_what_they_let_through() -> None:
    policy = PrivacyPolicy(actions={"AGE": "mask", "URL": "mask"}, routes={"r": {"AGE": "mask"}}, keys={"k": {}})
    assert [(rule["name"], rule["open"], rule["served"]) for rule in list_rules(policy, None)] == [
        ("r", ["URL"], False),
        ("k", ["AGE", "URL"], True),
    ]
