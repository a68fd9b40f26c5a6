from typing import get_args

import msgspec
import pytest

from steward.core.endpoint import Endpoint, Tenancy, covers, index_endpoints
from steward.core.errors import Contradiction
from steward.core.identity import Principal

ASK = Endpoint(
    method="GET",
    path="/a",
    permission="infer",
    tenancy="principal",
    guards="none",
    audit="none",
    max_body_bytes=0,
    handler=print,
)


def test_methods_of_one_path_stand_beside_each_other() -> None:
    post = msgspec.structs.replace(ASK, method="POST")
    assert index_endpoints([ASK, post]) == {"/a": {"GET": ASK, "POST": post}}


def test_a_path_has_one_handler_for_each_method() -> None:
    with pytest.raises(Contradiction, match="GET /a"):
        index_endpoints([ASK, ASK])


@pytest.mark.parametrize("field", Endpoint.__struct_fields__)
def test_every_field_must_be_declared(field: str) -> None:
    given = {name: getattr(ASK, name) for name in Endpoint.__struct_fields__ if name != field}
    with pytest.raises(TypeError, match=field):
        Endpoint(**given)


@pytest.mark.parametrize(
    ("tenant", "within", "covered"),
    [
        ("default", None, ["none", "project", "principal", "deployment"]),
        ("default", "shop", ["none", "project"]),
        ("acme", None, ["none", "project", "principal"]),
        ("acme", "shop", ["none", "project"]),
    ],
)
def test_what_of_an_endpoint_lies_within_whoever_asks(tenant: str, within: str | None, covered: list[str]) -> None:
    """Who sees one project sees nothing of a tenant's principals; the deployment is the default tenant's alone."""
    who = Principal(kind="person", id="anna", tenant=tenant, within=within)
    assert [tenancy for tenancy in get_args(Tenancy) if covers(tenancy, who)] == covered
