"""Decisions, with an independent judge: casbin (role-based, with domains) over the same grants."""

from __future__ import annotations

import itertools

import casbin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.core.access import Grant, Person, Place, Role
from steward.core.errors import InputError, UnknownName
from steward.core.identity import ALL_RIGHTS, Right
from steward.security.access import (
    BUILT_IN_ROLES,
    AccessTable,
    check_right,
    make_role,
    merge_roles,
    parse_place,
    reach_at,
    reach_of_person,
)
from steward.security.keys import NOTHING

SHOP, SMALL = Place("acme", "shop"), Place("acme", "shop", "route:small")


def grant(subject: str, role: str, place: Place) -> Grant:
    return Grant(
        id=f"{subject}{role}{place}", subject=subject, role=role, place=place, created_at=0.0, created_by="o:1"
    )


ANNA = AccessTable([grant("person:anna", "developer", SHOP), grant("group:ml", "viewer", Place("acme"))])


def test_what_no_grant_gives_is_denied() -> None:
    decision = AccessTable([]).decide(["person:anna"], "infer", SHOP)
    assert (decision.allowed, decision.because, decision.grant) == (False, "person:anna has no role", None)
    assert not AccessTable([]).decide([], "infer", SHOP).allowed


def test_a_grant_holds_at_its_place_and_within_it() -> None:
    for place in (SHOP, SMALL):
        decision = ANNA.decide(["person:anna"], "infer", place)
        assert decision.allowed and decision.because == (
            "person:anna has the role developer at acme/shop, which gives infer"
        )
    for place in (Place("acme"), Place("acme", "other"), Place("other", "shop"), Place("acme", "other", "route:small")):
        decision = ANNA.decide(["person:anna"], "infer", place)
        assert (decision.allowed, decision.because) == (False, f"person:anna has no role at {place}, only elsewhere")


def test_a_role_gives_its_own_rights_alone() -> None:
    decision = ANNA.decide(["person:anna"], "keys.manage", SHOP)
    assert decision.because == "person:anna has developer at acme/shop; none of these roles gives keys.manage"


def test_groups_count() -> None:
    decision = ANNA.decide(["person:bert", "group:ml"], "usage.read", SMALL)
    assert decision.allowed and decision.because.startswith("group:ml has the role viewer at acme,")


def test_a_grant_of_a_role_that_is_gone_gives_nothing() -> None:
    table = AccessTable([grant("person:a", "gone", SHOP)])
    assert not table.decide(["person:a"], "public", SHOP).allowed and table.rights_at(["person:a"], SHOP) == frozenset()


def test_rights_add_up_over_the_places_around() -> None:
    subjects = ["person:anna", "group:ml"]
    assert ANNA.rights_at(subjects, SHOP) == BUILT_IN_ROLES["developer"].rights | BUILT_IN_ROLES["viewer"].rights
    assert ANNA.rights_at(subjects, Place("acme")) == BUILT_IN_ROLES["viewer"].rights
    assert ANNA.rights_at(subjects, Place("other")) == frozenset()


def test_the_built_in_roles() -> None:
    """shared vocabulary of issue 16: an auditor reads evidence and never content, a viewer changes nothing."""
    rights = {name: role.rights for name, role in BUILT_IN_ROLES.items()}
    assert rights["owner"] == ALL_RIGHTS
    assert ALL_RIGHTS - rights["operator"] == {
        "people.manage", "access.manage", "privacy.manage", "content.read", "study.rate"
    }  # fmt: skip
    for name in ("auditor", "viewer", "reviewer"):
        assert not {right for right in rights[name] if right.endswith(".manage")} and "infer" not in rights[name]
    assert "feedback.read" not in rights["auditor"] and "audit.read" in rights["auditor"]
    assert {"infer", "feedback", "prompts.manage"} <= rights["developer"] and "keys.manage" not in rights["developer"]
    assert all(rights["viewer"] < rights[name] for name in ("developer", "reviewer", "auditor"))


# -- the judge ----------------------------------------------------------------------------------------

MODEL = """
[request_definition]
r = sub, ten, pro, res, act
[policy_definition]
p = sub, ten, pro, res, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.ten == p.ten && (p.pro == "*" || r.pro == p.pro) && (p.res == "*" || r.res == p.res) \
 && r.act == p.act
"""
PLACES = [
    Place(tenant, project, resource)
    for tenant, project, resource in itertools.product(("a", "b"), (None, "p", "q"), (None, "route:x", "route:y"))
    if project is not None or resource is None
]
SUBJECTS = ("person:1", "person:2", "group:g")
RIGHTS: list[Right] = sorted(ALL_RIGHTS)
GRANTS = st.builds(
    grant, st.sampled_from(SUBJECTS), st.sampled_from([*BUILT_IN_ROLES, "none"]), st.sampled_from(PLACES)
)


def judge(grants: list[Grant]) -> casbin.Enforcer:
    model = casbin.model.Model()
    model.load_model_from_text(MODEL)
    enforcer = casbin.Enforcer(model)
    for each in grants:
        role = BUILT_IN_ROLES.get(each.role)
        for right in role.rights if role else ():
            place = each.place
            enforcer.add_policy(each.subject, place.tenant, place.project or "*", place.resource or "*", right)
    return enforcer


@settings(max_examples=40, deadline=None)
@given(st.lists(GRANTS, max_size=6, unique_by=lambda each: each.id), st.sampled_from(RIGHTS))
def test_casbin_decides_the_same(grants: list[Grant], right: Right) -> None:
    table, enforcer = AccessTable(grants), judge(grants)
    for subject, place in itertools.product(SUBJECTS, PLACES):
        # a question about a whole tenant is one about a project that no grant names
        asked = (subject, place.tenant, place.project or "-", place.resource or "-", right)
        assert table.decide([subject], right, place).allowed == enforcer.enforce(*asked), asked
        assert (right in table.rights_at([subject], place)) == enforcer.enforce(*asked)


# -- roles, places, people ----------------------------------------------------------------------------


def test_no_role_of_ones_own_replaces_a_built_in_one() -> None:
    merged = merge_roles([Role("viewer", ALL_RIGHTS), make_role("triage", ["feedback.read"])])
    assert merged["viewer"] == BUILT_IN_ROLES["viewer"] and merged["triage"].rights == {"public", "feedback.read"}
    with pytest.raises(InputError, match="built in"):
        make_role("owner", ["infer"])
    with pytest.raises(UnknownName, match=r"feedback\.read"):
        make_role("triage", ["feedback.raed"])
    for name in ("", "a b", "x" * 65):
        with pytest.raises(InputError, match="role"):
            make_role(name, ["infer"])
    assert make_role("x" * 64, ["infer"]).name == "x" * 64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("acme", Place("acme")),
        ("acme/shop", SHOP),
        ("acme/shop/route:small", SMALL),
        ("acme/shop/route:meta/llama-3", Place("acme", "shop", "route:meta/llama-3")),
        ("route:small", Place("mine", "default", "route:small")),
        ("dataset:golden", Place("mine", "default", "dataset:golden")),
    ],
)
def test_places_are_read(text: str, place: Place) -> None:
    assert parse_place(text, "mine") == place


@pytest.mark.parametrize(
    "text", ["", "/", "acme/", "acme//route:x", "acme/shop/small", "acme/shop/file:x", "a/b/route:"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected TENANT"):
        parse_place(text, "mine")


def test_what_is_no_right_is_refused() -> None:
    assert check_right("infer") == "infer"
    with pytest.raises(UnknownName):
        check_right("read")


def person(**changes: object) -> Person:
    values = {"id": "anna", "tenant": "acme", "created_at": 0.0, "created_by": "o:1", "changed_at": 0.0, **changes}
    return Person(**values)  # type: ignore[arg-type]


def test_a_person_reaches_what_the_roles_give_where_the_key_is() -> None:
    assert reach_of_person(ANNA, person(), SHOP).rights == BUILT_IN_ROLES["developer"].rights
    assert reach_of_person(ANNA, person(), Place("acme", "other")).rights == frozenset()
    assert reach_of_person(ANNA, person(disabled_at=1.0), SHOP) == NOTHING
    assert reach_of_person(ANNA, person(tenant="other"), SHOP) == NOTHING


def test_infer_granted_on_routes_is_infer_on_these_alone() -> None:
    table = AccessTable(
        [
            grant("person:anna", "developer", SMALL),
            grant("group:ml", "owner", Place("acme", "shop", "route:big")),
            grant("person:anna", "viewer", Place("acme", "shop", "route:seen")),
            grant("person:anna", "developer", Place("acme", "other", "route:elsewhere")),
            grant("person:anna", "developer", Place("acme", "shop", "dataset:data")),
            grant("person:anna", "viewer", SHOP),
        ]
    )
    reach = reach_of_person(table, person(groups=("ml",)), SHOP)
    assert reach.models == {"small", "big"} and reach.rights == BUILT_IN_ROLES["viewer"].rights | {"infer"}
    assert reach_of_person(table, person(), Place("acme", "none")).models is None


@pytest.mark.parametrize(
    ("places", "where"),
    [
        ([], None),
        ([Place("acme")], Place("acme", "default")),
        ([SHOP], SHOP),
        ([SHOP, SMALL], SHOP),
        ([SHOP, Place("acme", "lab")], Place("acme", "default")),
        ([SHOP, Place("acme")], Place("acme", "default")),
        ([SHOP, Place("other", "shop")], None),
    ],
)
def test_a_machine_belongs_where_its_grants_are(places: list[Place], where: Place | None) -> None:
    table = AccessTable([grant("certificate:billing", "viewer", place) for place in places])
    assert table.find_place("certificate:billing") == where


def test_a_machine_may_use_the_routes_that_it_was_granted() -> None:
    table = AccessTable([grant("service:corp/ci", "developer", SMALL), grant("service:corp/ci", "viewer", SHOP)])
    reach = reach_at(table, ("service:corp/ci",), SHOP)
    assert reach.models == {"small"} and "infer" in reach.rights and "prompts.manage" not in reach.rights


def test_resources_are_named_by_grants_of_their_own_in_one_place() -> None:
    table = AccessTable(
        [
            grant("person:anna", "developer", SMALL),
            grant("person:anna", "developer", Place("acme", "shop", "dataset:one")),
            grant("person:anna", "developer", Place("acme", "bank", "route:big")),
            grant("person:anna", "developer", Place("other", "shop", "route:theirs")),
            grant("person:anna", "viewer", Place("acme", "shop", "route:seen")),
            grant("person:anna", "nothing", Place("acme", "shop", "route:unknown")),
            grant("person:bob", "developer", Place("acme", "shop", "route:bobs")),
        ]
    )
    assert table.resources_at(["person:anna"], "infer", SHOP, "route") == {"small"}
    assert table.resources_at(["person:anna"], "infer", SHOP, "dataset") == {"one"}
    assert table.resources_at(["person:anna", "person:bob"], "infer", SHOP, "route") == {"small", "bobs"}
    assert ANNA.resources_at(["person:anna"], "infer", SHOP, "route") == frozenset()  # hers is over the project


def test_the_projects_of_a_subject_are_those_that_it_has_a_role_over() -> None:
    table = AccessTable(
        [
            grant("person:anna", "viewer", Place("acme", "shop")),
            grant("group:ml", "developer", Place("acme", "lab")),
            grant("person:anna", "viewer", Place("acme", "shop")),
            grant("person:anna", "viewer", Place("acme")),  # of the tenant
            grant("person:anna", "viewer", Place("acme", "stock", "route:small")),  # of one of its resources
            grant("person:anna", "viewer", Place("other", "far")),
            grant("person:bob", "viewer", Place("acme", "secret")),
        ]
    )
    assert table.list_projects(["person:anna", "group:ml"], "acme") == ["lab", "shop"]
    assert table.list_projects(["person:anna"], "other") == ["far"]
    assert table.list_projects(["person:carl"], "acme") == []


def test_a_resource_counts_where_a_grant_of_its_own_gives_the_right() -> None:
    table = AccessTable(
        [
            grant("person:anna", "developer", SMALL),
            grant("person:anna", "viewer", Place("acme", "shop", "route:large")),
            grant("person:anna", "developer", Place("acme", "lab", "route:other")),
            grant("person:anna", "developer", Place("acme", "shop", "prompt:greet")),
            grant("person:anna", "developer", SHOP),
        ]
    )
    assert table.resources_at(["person:anna"], "infer", SHOP, "route") == {"small"}
    assert table.resources_at(["person:anna"], "infer", SHOP, "prompt") == {"greet"}
    assert table.resources_at(["person:bob"], "infer", SHOP, "route") == frozenset()
