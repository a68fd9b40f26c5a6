from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from console_home import HomeConsole, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.privacy import count_masked, list_kinds, list_rules
from steward.core.evidence import Evidence
from steward.core.meters import MASKED, REQUESTS, MeterRow
from steward.privacy.policy import PrivacyPolicy


def test_without_a_guard_it_says_so_and_how_to_turn_one_on(tmp_path: Path) -> None:
    console = HomeConsole(tmp_path)
    page, file = console.get("/privacy"), console.get("/privacy.csv")
    assert "Personal data is not masked" in page and "privacy: {profile: default}" in page
    assert "CREDIT_CARD,Payment cards,allow,0," in file


def test_what_is_masked_and_what_is_not_stands_there(tmp_path: Path) -> None:
    with serve_home(
        tmp_path, SETTINGS + "privacy: {profile: pci, routes: {assistant: {profile: secrets-only}}}\n"
    ) as home:
        console = HomeConsole(home)
        page, file = read_text(console.get("/privacy")), console.get("/privacy.csv")
    assert "Guards have replaced 0 values" in page and "Payment cards CREDIT_CARD mask" in page
    assert "E-mail addresses EMAIL_ADDRESS not masked" in page
    assert "route assistant SECRET CREDIT_CARD" in page and "CREDIT_CARD,Payment cards,mask,0," in file


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


def test_a_rule_of_what_is_not_served_says_so() -> None:
    named: Any = SimpleNamespace(models=(SimpleNamespace(name="m"),), routes=(SimpleNamespace(name="r"),))
    policy = PrivacyPolicy(actions={}, routes={"gone": {}, "m": {}, "r": {}}, keys={"k": {}})
    assert [(rule["name"], rule["served"]) for rule in list_rules(policy, named)] == [
        ("gone", False), ("m", True), ("r", True), ("k", True),
    ]  # fmt: skip


def test_what_is_masked_comes_first_and_of_that_the_most_frequent() -> None:
    policy = PrivacyPolicy(actions={"PHONE_NUMBER": "mask", "EMAIL_ADDRESS": "mask"})
    kinds = list_kinds(policy, {"email": 1, "phone": 2, "url": 9})
    assert [(kind.entity, kind.count) for kind in kinds[:2]] == [("PHONE_NUMBER", 2), ("EMAIL_ADDRESS", 1)]
    assert all(kind.action == "allow" for kind in kinds[2:])
    assert {kind.action for kind in list_kinds(None, {})} == {"allow"}


def test_scans_are_for_whoever_may_see_proofs(tmp_path: Path) -> None:
    console = HomeConsole(tmp_path)
    proof = Evidence(
        id="ev_1", check="privacy.scan", subject="train.jsonl", subject_digest="sha256:0", verdict="fail", value="v",
        expected="", source="", produced_at=1.0, valid_until=None, command="c", signer="s",
    )  # fmt: skip
    console.store.evidence.add(proof, tenant="default")
    assert "train.jsonl" in console.get("/privacy")
    hidden = console.get("/privacy", rights=frozenset({"usage.read"}))
    assert "train.jsonl" not in hidden and "whoever has the right evidence.read" in hidden
