"""Verdicts of `steward check`: proofs, waivers, levels, and the one that decides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.evidence import Evidence
from steward.governance.checks import CHECKS
from steward.governance.readiness import (
    DAY_S,
    LEVELS,
    Check,
    Facts,
    LiveSubjects,
    Outcome,
    Situation,
    Waiver,
    assess,
    by_evidence,
    list_evidence_kinds,
    make_waiver,
    refuse_full_waiver,
    required_at,
)

NOW = 1_795_900_000.0


def proof(**changes: Any) -> Evidence:
    whole = Evidence(
        id="ev_1", check="loadtest.run", subject="model m", subject_digest="sha256:1", verdict="pass",
        value="p95 412 ms", expected="p95 < 500 ms", source="r.json", produced_at=NOW - 10 * DAY_S, valid_until=None,
        command="steward load run", signer="operator:1",
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


def situation(*proofs: Evidence) -> Situation:
    return Situation(facts=Facts(), evidence=proofs, now=NOW)


def check(verdict: Any = "pass", name: str = "a.b", level: Any = "prototype", pitfall: Any = "data") -> Check:
    found = Outcome(verdict=verdict, value="seen")
    return Check(id=name, pitfall=pitfall, level=level, question="?", why="!", decide=lambda _: found, fix="do it")


def waiver(**changes: Any) -> Waiver:
    whole = Waiver(check="a.b", reason="the vendor delivers in May", owner="operator:1", made_at=NOW, until=NOW + DAY_S)
    return msgspec.structs.replace(whole, **changes)


@pytest.mark.parametrize(
    ("changes", "verdict", "value"),
    [
        ({}, "pass", "model m: p95 412 ms"),
        ({"verdict": "fail"}, "fail", "model m: p95 412 ms"),
        ({"verdict": "cannot tell"}, "cannot tell", "model m: p95 412 ms"),
        ({"produced_at": NOW - 30 * DAY_S}, "pass", "model m: p95 412 ms"),
        ({"produced_at": NOW - 30 * DAY_S - 1}, "cannot tell", "30 days old; p95 412 ms"),  # stale by a second
        ({"valid_until": NOW}, "pass", "model m: p95 412 ms"),
        ({"valid_until": NOW - 1}, "cannot tell", "10 days old; p95 412 ms"),
        ({"produced_at": NOW + 300}, "pass", "model m: p95 412 ms"),
        ({"produced_at": NOW + 301}, "cannot tell", "dated in the future; p95 412 ms"),
        ({"check": "loadtest.other"}, "cannot tell", "never done here"),
    ],
)
def test_a_proof_counts_while_it_is_fresh(changes: dict[str, Any], verdict: str, value: str) -> None:
    found = by_evidence("loadtest.run", 30)(situation(proof(**changes)))
    assert (found.verdict, found.value) == (verdict, value)


def test_the_newest_proof_decides_and_is_named_with_its_end() -> None:
    old, new = proof(id="ev_old", verdict="fail", produced_at=NOW - 20 * DAY_S), proof(id="ev_new")
    found = by_evidence("loadtest.run", 30)(situation(new, old))
    assert (found.verdict, found.evidence, found.expected) == ("pass", ("ev_new",), "p95 < 500 ms")
    assert (found.produced_at, found.valid_until) == (NOW - 10 * DAY_S, NOW + 20 * DAY_S)
    early = by_evidence("loadtest.run", 30)(situation(proof(valid_until=NOW + DAY_S)))
    assert early.valid_until == NOW + DAY_S
    assert by_evidence("x", 7)(situation()).expected == "passed within 7 days"
    assert by_evidence("x", 7, "a run")(situation()).expected == "a run"


SERVED = LiveSubjects(
    models={"m": "sha256:1", "r": "sha256:2"}, settings="settings:7", channels="sha256:c", data=frozenset({"sha256:d"})
)


@pytest.mark.parametrize(
    ("of", "digest", "verdict"),
    [
        ("model", "sha256:1", "pass"),
        ("model", "sha256:2", "pass"),  # of a route
        ("model", "sha256:3", "cannot tell"),
        ("settings", "settings:7", "pass"),
        ("settings", "settings:6", "cannot tell"),
        ("channels", "sha256:c", "pass"),
        ("channels", "sha256:1", "cannot tell"),
        ("data", "sha256:d", "pass"),
        ("data", "sha256:1", "cannot tell"),
        (None, "sha256:3", "pass"),
    ],
)
def test_a_proof_of_something_else_than_what_serves_is_stale(of: Any, digest: str, verdict: str) -> None:
    seen = Situation(facts=Facts(), evidence=(proof(subject_digest=digest),), now=NOW, subjects=SERVED)
    found = by_evidence("loadtest.run", 30, of=of)(seen)
    words = "" if verdict == "pass" else "not what serves now, or changed since; "
    assert (found.verdict, found.value, found.evidence) == (verdict, f"model m: {words}p95 412 ms", ("ev_1",))
    unknown = msgspec.structs.replace(seen, subjects=LiveSubjects())
    assert by_evidence("loadtest.run", 30, of=of)(unknown).verdict == "pass", "what serves cannot be told: age decides"


@pytest.mark.parametrize(("of", "digest"), [("plan", "sha256:p"), ("store", "sha256:s")])
def test_a_plan_and_a_store_go_stale_by_change(of: Any, digest: str) -> None:
    rule = by_evidence("loadtest.run", 30, of=of)
    live = LiveSubjects(plan="sha256:p", store="sha256:s")
    seen = Situation(facts=Facts(), evidence=(proof(subject_digest=digest),), now=NOW, subjects=live)
    assert rule(seen).verdict == "pass"
    other = msgspec.structs.replace(seen, evidence=(proof(subject_digest="sha256:old"),))
    assert rule(other).verdict == "cannot tell" and "not what serves now" in rule(other).value


def test_a_proof_of_changed_files_or_by_a_revoked_key_is_stale() -> None:
    rule = by_evidence("loadtest.run", 30)
    changed = Situation(facts=Facts(), evidence=(proof(),), now=NOW, changes={"ev_1": "a.jsonl has changed since"})
    assert (rule(changed).verdict, rule(changed).value) == (
        "cannot tell", "model m: a.jsonl has changed since; p95 412 ms",
    )  # fmt: skip
    assert rule(msgspec.structs.replace(changed, changes={"ev_2": "x"})).verdict == "pass"
    signed = Situation(facts=Facts(), evidence=(proof(signer="key:k1"),), now=NOW, revoked=frozenset({"key:k1"}))
    assert (rule(signed).verdict, rule(signed).value) == (
        "cannot tell", "signed by key:k1, which was revoked; p95 412 ms",
    )  # fmt: skip
    assert rule(msgspec.structs.replace(signed, revoked=frozenset({"key:k2"}))).verdict == "pass"


def test_the_newest_proof_of_what_serves_decides_though_a_newer_one_is_of_another() -> None:
    proofs = (proof(), proof(id="ev_2", subject_digest="sha256:9", verdict="fail", produced_at=NOW))
    found = by_evidence("loadtest.run", 30, of="model")(
        Situation(facts=Facts(), evidence=proofs, now=NOW, subjects=SERVED)
    )
    assert (found.verdict, found.evidence) == ("pass", ("ev_1",))
    old = (proof(produced_at=NOW - 31 * DAY_S),)
    stale = by_evidence("loadtest.run", 30, of="model")(
        Situation(facts=Facts(), evidence=old, now=NOW, subjects=SERVED)
    )
    assert stale.verdict == "cannot tell" and "31 days old" in stale.value


def test_every_training_set_of_what_serves_needs_its_proof() -> None:
    rule = by_evidence("loadtest.run", 30, of="data")

    def decide(data: frozenset[str]) -> Outcome:
        subjects = LiveSubjects(data=data)
        return rule(Situation(facts=Facts(), evidence=(proof(),), now=NOW, subjects=subjects))

    assert decide(frozenset({"sha256:1"})).verdict == "pass"
    two = decide(frozenset({"sha256:1", "sha256:2"}))
    assert (two.verdict, two.value) == ("cannot tell", "not every one of 2 sets; model m: p95 412 ms")
    assert decide(frozenset()).verdict == "not applicable"


def test_kinds_of_proofs_that_decide() -> None:
    one = msgspec.structs.replace(check(), decide=by_evidence("loadtest.run", 30))
    assert list_evidence_kinds([one, check(), one]) == ("loadtest.run",) and check().kinds == ()


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["pass", "not applicable", "waived"], "go"),
        (["pass", "cannot tell"], "cannot tell"),
        (["cannot tell", "fail", "pass"], "no-go"),
        ([], "cannot tell"),
        (["waived", "waived", "not applicable"], "cannot tell"),  # waivers alone say nothing
        (["not applicable"], "go"),
    ],
)
def test_the_worst_required_check_decides(verdicts: list[str], whole: str) -> None:
    checks = [check(verdict, name=f"a.{number}") for number, verdict in enumerate(verdicts)]
    assert assess(situation(), "prototype", checks).verdict == whole


def test_levels_ask_for_more_and_a_pitfall_for_its_own_alone() -> None:
    checks = [check(name=level, level=level) for level in LEVELS] + [check("fail", "e", "regulated", "ethics")]
    assert [[one.id for one in required_at(level, checks)] for level in LEVELS] == [
        ["prototype"], ["prototype", "internal"], ["prototype", "internal", "production"],
        ["prototype", "internal", "production", "regulated", "e"],
    ]  # fmt: skip
    assert assess(situation(), "production", checks).verdict == "go"
    assert assess(situation(), "regulated", checks).verdict == "no-go"
    assert [one.id for one in assess(situation(), "regulated", checks, pitfall="ethics").checks] == ["e"]
    assert [len(required_at(level, CHECKS)) for level in LEVELS] == sorted(
        len(required_at(lv, CHECKS)) for lv in LEVELS
    )


def test_a_fix_stands_where_something_is_to_be_done() -> None:
    checks = [check(verdict, name=verdict) for verdict in ("pass", "fail", "cannot tell", "not applicable")]
    assert [one.fix for one in assess(situation(), "prototype", checks).checks] == ["", "do it", "do it", ""]


@pytest.mark.parametrize("verdict", ["fail", "cannot tell"])
def test_a_waiver_lets_one_check_wait_and_has_failed_when_it_ends(verdict: str) -> None:
    checks = [check(verdict), check(verdict, "a.c")]
    found = assess(situation(), "prototype", checks, [waiver()])
    assert [one.verdict for one in found.checks] == ["waived", verdict]
    first = found.checks[0]
    assert first.value == "waived by operator:1: the vendor delivers in May; seen" and first.valid_until == NOW + DAY_S
    assert found.waivers == (waiver(),)
    over = assess(situation(), "prototype", checks[:1], [waiver(until=NOW)])
    assert over.verdict == "no-go" and over.checks[0].value == "the waiver of operator:1 has expired; seen"


def test_a_waiver_of_what_passes_changes_nothing_and_the_last_of_two_counts() -> None:
    assert assess(situation(), "prototype", [check()], [waiver()]).checks[0].verdict == "pass"
    two = [waiver(until=NOW + 5, made_at=NOW), waiver(until=NOW - 5, made_at=NOW - 9)]
    assert assess(situation(), "prototype", [check("fail")], two).checks[0].verdict == "waived"


def test_what_can_be_waived() -> None:
    made = make_waiver("infra.load", " no traffic before May ", "operator:1", NOW + 90 * DAY_S, NOW, CHECKS)
    assert (made.check, made.reason, made.until) == ("infra.load", "no traffic before May", NOW + 90 * DAY_S)
    with pytest.raises(UnknownName, match=r"infra\.loud"):
        make_waiver("infra.loud", "no traffic before May", "operator:1", NOW + DAY_S, NOW, CHECKS)
    with pytest.raises(UnknownName):
        make_waiver("*", "no traffic before May", "operator:1", NOW + DAY_S, NOW, CHECKS)
    with pytest.raises(InputError, match="expected a sentence"):
        make_waiver("infra.load", "because  ", "operator:1", NOW + DAY_S, NOW, CHECKS)
    for until in (NOW, NOW + 90 * DAY_S + 1):
        with pytest.raises(InputError, match="within the next 90 days"):
            make_waiver("infra.load", "no traffic before May", "operator:1", until, NOW, CHECKS)


@pytest.mark.parametrize("name", ["*", "infra.*", "", "all", "infra", "infra.load,infra.plan", "infra.load infra.plan"])
def test_a_waiver_of_several_checks_is_refused(name: str) -> None:
    with pytest.raises(UnknownName):
        make_waiver(name, "no traffic before May", "operator:1", NOW + DAY_S, NOW, CHECKS)


@pytest.mark.parametrize("name", ["*", "a.*", "a"])
def test_a_file_that_waives_by_a_pattern_waives_nothing(name: str) -> None:
    found = assess(situation(), "prototype", [check("fail")], [waiver(check=name)])
    assert (found.verdict, found.checks[0].verdict, found.waivers) == ("no-go", "fail", ())


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"until": NOW + 90 * DAY_S}, "waived"),
        ({"until": NOW + 90 * DAY_S + 1}, "fail"),
        ({"until": float("inf")}, "fail"),
        ({"made_at": NOW + 300, "until": NOW + 300 + 90 * DAY_S}, "waived"),  # the clock of another machine
        ({"made_at": NOW + 301, "until": NOW + 301 + 90 * DAY_S}, "fail"),
        ({"until": NOW + 1}, "waived"),
        ({"until": NOW}, "fail"),  # expired, to the second
    ],
)
def test_a_waiver_lasts_no_longer_than_one_can_be_given_for(changes: dict[str, Any], verdict: str) -> None:
    found = assess(situation(), "prototype", [check("cannot tell"), check(name="b")], [waiver(**changes)])
    assert found.checks[0].verdict == verdict


def test_waiving_every_check_of_a_level_one_by_one_is_refused() -> None:
    ids = [one.id for one in CHECKS]
    first = [one.id for one in required_at("prototype", CHECKS)]
    refuse_full_waiver(set(first[1:]), CHECKS)
    for waived in (first, ids):
        with pytest.raises(InputError, match="every check of level prototype would be waived"):
            refuse_full_waiver(set(waived), CHECKS)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_of_a_home_that_shows_nothing_no_check_that_needs_a_proof_passes(one: Check) -> None:
    """No GPU, no captures, no run of fairness, no plan: nobody can tell, or it does not apply."""
    found = one.decide(situation())
    assert found.verdict != "pass"
    if one.kinds:
        assert (found.verdict, found.value) == ("cannot tell", "never done here")
        none = msgspec.structs.replace(situation(), subjects=LiveSubjects(data=frozenset()))
        assert one.decide(none).verdict in ("cannot tell", "not applicable")
