"""`steward access explain WHO WHAT`: whether somebody may do something now, and what decides it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.access import Place
from steward.core.errors import UnknownName
from steward.core.identity import ALL_RIGHTS, Principal, operator
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec
from steward.workflows import access, keys
from steward.workflows.explain_access import _explain_place, _read_action, explain_access
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.endpoints import list_gateway_endpoints

ME = operator(7)
ANNA = Principal(kind="person", id="anna", rights=ALL_RIGHTS)


INFER = KeyTerms(rights=frozenset({"infer"}))


def add(home: Path, name: str = "anna", role: str | None = "developer", **more: object) -> access.PersonView:
    return access.add_person(home, name, 1.0, actor=ME, role=role, **more)  # type: ignore[arg-type]


def explain(home: Path, who: str, what: str, now: float = 5.0) -> tuple[bool, str]:
    found = explain_access(home, who, what, now, actor=ME, endpoints=list_gateway_endpoints())
    return found.allowed, found.because


def test_the_explanation_names_what_decided(tmp_path: Path) -> None:
    add(tmp_path)
    assert explain(tmp_path, "anna", "infer") == (
        True, "person:anna has the role developer at default, which gives infer"
    )  # fmt: skip
    assert explain(tmp_path, "person:anna", "POST /v1/chat/completions")[0]
    assert explain(tmp_path, "anna", "keys.manage")[0] is False
    assert explain(tmp_path, "anna", "infer@acme") == (False, "person:anna belongs to the tenant default, not to acme")
    assert explain(tmp_path, "operator", "keys.manage")[0]
    access.disable_person(tmp_path, "anna", 5.0, actor=ME)
    assert explain(tmp_path, "anna", "infer") == (False, "person:anna is disabled")


def test_the_explanation_of_a_key(tmp_path: Path) -> None:
    add(tmp_path)
    terms = msgspec.structs.replace(INFER, models=frozenset({"small"}), expires_at=100.0)
    made = keys.create(tmp_path, "web", LimitSpec(), 2.0, actor=ANNA, terms=terms)
    who = f"key:{made.id} (web)"
    assert explain(tmp_path, "web", "infer") == (True, f"{who} was given the right infer by person:anna, who has it")
    assert explain(tmp_path, made.id, "infer@route:small")[0] and explain(tmp_path, "web", "/v1/messages")[0]
    assert explain(tmp_path, "web", "infer@route:big") == (False, f"{who} may use small, not big")
    assert explain(tmp_path, "web", "infer@acme/x") == (False, f"{who} belongs to the tenant default, not to acme")
    assert explain(tmp_path, "web", "usage.read") == (
        False, f"{who} was not given the right usage.read; it has infer"
    )  # fmt: skip
    assert explain(tmp_path, "web", "infer", 100.0) == (False, f"{who} is expired")
    access.remove_grants(tmp_path, "anna", "developer", Place(), 3.0, actor=ME)
    assert explain(tmp_path, "web", "infer") == (
        False, f"{who} was given infer by person:anna, who does not have it any more"
    )  # fmt: skip
    keys.revoke(tmp_path, "web", 6.0, actor=ME)
    assert explain(tmp_path, made.id, "infer") == (False, f"{who} was revoked by operator:7")


def test_what_cannot_be_explained_is_named(tmp_path: Path) -> None:
    add(tmp_path)
    for who, what in (("nobody", "infer"), ("anna", "infr"), ("anna", "GET /v1/none"), ("key:anna", "infer")):
        with pytest.raises(UnknownName):
            explain(tmp_path, who, what)


@pytest.mark.parametrize(
    ("place", "models", "denial"),
    [
        (Place("t", "p"), None, ""),
        (Place("t"), None, ""),
        (Place("other"), None, "belongs to the tenant t, not to other"),
        (Place("t", "q"), None, "belongs to the project p, not to q"),
        (Place("t", "default"), None, "belongs to the project p, not to default"),
        (Place("t", "default", "route:a"), None, ""),  # routes are the deployment's, not a project's
        (Place("t", "p", "route:a"), {"a"}, ""),
        (Place("t", "p", "route:b"), {"a", "c"}, "may use a, c, not b"),
        (Place("t", "p", "route:b"), set(), "may use no model, not b"),
        (Place("t", "p", "suite:b"), {"a"}, ""),
    ],
)
def test_where_a_key_may_act(place: Place, models: set[str] | None, denial: str) -> None:
    key = KeyRecord(
        id="1", name="k", digest="", created_at=0.0, tenant="t", project="p",
        models=None if models is None else frozenset(models),
    )  # fmt: skip
    assert _explain_place(key, place) == denial


@pytest.mark.parametrize("text", ["POST /v1/chat/completions", "/v1/chat/completions", "infer"])
def test_a_right_is_named_or_an_endpoint_that_needs_it(text: str) -> None:
    assert _read_action(text, list_gateway_endpoints()) == "infer"


@pytest.mark.parametrize("text", ["GET /v1/chat/completions", "/v1/nothing", "POST /v1/models"])
def test_an_endpoint_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(UnknownName, match="endpoint"):
        _read_action(text, list_gateway_endpoints())
