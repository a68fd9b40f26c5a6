"""Who may do what where, and each rule with what breaks it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.access import Grant, Person, Place, Role
from steward.core.errors import InputError, UnknownName
from steward.core.keys import KeyRecord
from steward.security.access import BUILT_IN_ROLES
from steward.security.access_matrix import (
    RULES,
    AccessFault,
    AccessRow,
    AccessState,
    digest_access,
    find_faults,
    list_access,
    parse_apart,
)

VIEWER = ("console.read", "metrics.read", "models.read", "public", "usage.read")


def person(name: str = "anna", **more: Any) -> Person:
    return Person(id=name, created_at=1.0, created_by="operator:1", changed_at=1.0, **more)


def grant(subject: str = "person:anna", role: str = "viewer", *place: str) -> Grant:
    at = Place(*place) if place else Place("default")
    return Grant(id="gr", subject=subject, role=role, place=at, created_at=1.0, created_by="operator:1")


def key(name: str = "web", **more: Any) -> KeyRecord:
    return KeyRecord(id=f"id-{name}", name=name, digest="", created_at=1.0, **more)


def judge(apart: Any = (), **state: Any) -> list[tuple[str, str, str, str]]:
    known = AccessState(**state)
    faults = find_faults(known, list_access(known), apart)
    return [(one.rule, one.who, one.problem, one.fix) for one in faults]


def test_a_row_for_each_subject_and_place_then_keys_then_anybody() -> None:
    web = key(rights=frozenset({"public", "infer"}), models=frozenset({"small", "big"}), project="shop")
    rows = list_access(
        AccessState(
            people=(person("bert"), person(groups=("ml",)), person("dora", disabled_at=2.0)),
            grants=(
                grant("person:anna", "viewer"), grant("group:ml", "triage", "default", "shop"),
                grant("person:anna", "developer", "default", "shop", "route:small"),
                grant("person:dora", "owner"), grant("certificate:ci", "gone", "acme"),
            ),
            roles=(Role("triage", frozenset({"public", "feedback.read"})),),
            keys=(web,), resolved=(web,),
        )
    )  # fmt: skip
    by_place = {(row.who, row.at): row.rights for row in rows}
    assert list(by_place) == [
        ("person:anna", "default"), ("person:anna", "default/shop"), ("person:anna", "default/shop/route:small"),
        ("person:dora", "default"), ("certificate:ci", "acme"), ("group:ml", "default/shop"),
        ("key:id-web (web)", "default/shop"), ("anonymous", "*"),
    ]  # fmt: skip
    assert by_place["person:anna", "default"] == VIEWER
    assert by_place["person:anna", "default/shop"] == (*sorted({*VIEWER, "feedback.read", "infer"}),)
    assert by_place["group:ml", "default/shop"] == ("feedback.read", "public")
    assert by_place["certificate:ci", "acme"] == () == by_place["person:dora", "default"]  # who has left
    assert by_place["anonymous", "*"] == ("public",)
    models = {row.who: row.models for row in rows}
    assert models["key:id-web (web)"] == ("big", "small") and models["group:ml"] is None


def test_a_deployment_in_order_breaks_no_rule() -> None:
    web = key(created_by="person:anna")
    assert judge(
        people=(person(),), keys=(web,), resolved=(web,),
        grants=(grant(), grant("group:ml", "owner", "acme"), grant("service:corp/ci", "developer", "acme", "shop")),
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        (
            {"people": (person(disabled_at=2.0),), "grants": (grant(),)},
            ("left", "person:anna", "has the role viewer at default, and is disabled",
             "steward access remove person:anna viewer --at default"),
        ),
        (
            {"grants": (grant("person:carl"),)},
            ("left", "person:carl", "has the role viewer at default, and is not known", "steward users list"),
        ),
        (
            {"people": (person(),), "grants": (grant("person:anna", "viewer", "acme", "shop"),)},
            ("tenant", "person:anna", "has the role viewer at acme/shop, and belongs to default",
             "steward access remove person:anna viewer --at acme/shop"),
        ),
        (
            {"grants": (grant("group:ml", "gone"),)},
            ("role", "group:ml", "has the role gone at default, and there is no such role",
             "steward access remove group:ml gone --at default"),
        ),
        (
            {"grants": (grant("anonymous:-"),)},
            ("anonymous", "anonymous:-", "has the role viewer at default, and is nobody who proves who it is",
             "steward access remove anonymous:- viewer --at default"),
        ),
        (
            {"grants": (grant("service:corp/ci"), grant("service:corp/ci", "viewer", "acme"))},
            ("tenant", "service:corp/ci", "has roles in acme, default", "steward access list"),
        ),
        (
            {"keys": (key(created_by="person:carl"),), "resolved": (key(rights=frozenset({"public"})),)},
            ("left", "key:id-web (web)", "was created by person:carl, who has left or has none of its rights any more",
             "steward keys revoke id-web"),
        ),
        (
            {"keys": (key(created_by="person:carl"),)},  # its creator's key has expired
            ("left", "key:id-web (web)", "was created by person:carl, who has left or has none of its rights any more",
             "steward keys revoke id-web"),
        ),
        (
            {"people": (person(),), "keys": (key(created_by="person:anna", tenant="acme"),)},
            ("tenant", "key:id-web (web)", "was created by person:anna of default, and is of acme",
             "steward keys revoke id-web"),
        ),
        (
            {"own_approvals": (("person:anna", "ap_1"),)},
            ("own approval", "person:anna", "approved ap_1, a change of its own", "steward reject ap_1"),
        ),
    ],
)  # fmt: skip
def test_each_rule_has_what_breaks_it(state: dict[str, Any], fault: tuple[str, str, str, str]) -> None:
    assert judge(**state) == [fault]


def test_rights_that_must_lie_apart_are_held_together_at_one_place() -> None:
    apart = parse_apart(["approvals.decide, prompts.manage"])
    assert apart == (("approvals.decide", "prompts.manage"),)
    state = {"people": (person(),), "grants": (grant("person:anna", "developer"), grant("person:anna", "reviewer"))}
    problem = "holds approvals.decide and prompts.manage at default"
    assert judge(apart, **state) == [("apart", "person:anna", problem, "steward access list")]
    both = Role(name="both", rights=frozenset(apart[0]))
    assert judge(apart, people=(person(),), grants=(grant("person:anna", "both"),), roles=(both,))[0][0] == "apart"
    elsewhere = (grant("person:anna", "developer", "default", "a"), grant("person:anna", "reviewer", "default", "b"))
    assert judge(apart, people=(person(),), grants=elsewhere) == []


@pytest.mark.parametrize("text", ["", "infer", "infer,infer"])
def test_one_right_lies_apart_from_nothing(text: str) -> None:
    with pytest.raises(InputError, match="expected two or more"):
        parse_apart([text])


def test_a_right_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownName):
        parse_apart(["infer,fly"])


def test_whoever_comes_without_a_key_may_do_what_is_public_alone() -> None:
    rows = [AccessRow(who="anonymous", at="*", rights=("infer", "public"))]
    fault = AccessFault(rule="anonymous", who="anonymous", problem="may infer", fix="steward selftest security")
    assert find_faults(AccessState(), rows) == (fault,)


def test_faults_come_in_the_order_of_the_rules() -> None:
    state = {"grants": (grant("group:a", "gone"), grant("person:z"), grant("person:b"))}
    assert [fault[:2] for fault in judge(**state)] == [("left", "person:b"), ("left", "person:z"), ("role", "group:a")]
    assert list(RULES) == ["left", "role", "tenant", "anonymous", "own approval", "apart"]


def test_the_digest_is_of_people_grants_and_roles_in_any_order() -> None:
    people, grants, roles = (
        [person(), person("bert")],
        [grant(), grant("group:ml")],
        [Role("own", frozenset({"infer"}))],
    )
    digest = digest_access(people, grants, roles)
    assert digest.startswith("sha256:") and len(digest) == 71
    assert digest_access(people[::-1], grants[::-1], roles) == digest
    others = [
        digest_access([person(groups=("ml",)), people[1]], grants, roles),
        digest_access([person(disabled_at=2.0), people[1]], grants, roles),
        digest_access([person(tenant="acme"), people[1]], grants, roles),
        digest_access(people[:1], grants, roles),
        digest_access(people, [grant("person:anna", "owner"), grants[1]], roles),
        digest_access(people, [grant("person:anna", "viewer", "default", "shop"), grants[1]], roles),
        digest_access(people, grants, [Role("own", frozenset({"feedback"}))]),
        digest_access(people, grants, []),
    ]
    assert len({digest, *others}) == 9
    later = [msgspec.structs.replace(one, created_at=9.0) for one in grants]
    assert digest_access(people, later, roles) == digest and "viewer" in BUILT_IN_ROLES
