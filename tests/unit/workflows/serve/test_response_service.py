"""Who may read and delete a stored answer, and for how long."""

import time
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import RootKeys
from steward.workflows.response_store import FileResponseStore
from steward.workflows.serve.response_service import ResponseService

DIGITS = "0123456789abcdef01234567"
NAME = f"resp_{DIGITS}"
ROOTS = RootKeys(current=b"a" * 32)


def caller(project: str = "p", tenant: str = "t") -> Caller:
    return Caller(principal=Principal(kind="key", id="k", tenant=tenant, project=project, rights=KEY_RIGHTS))


def kept(home: Path, age_s: float = 0.0, rest: bytes = b"{}") -> ResponseService:
    """A service over a home with one answer of that age."""
    plan = ResponseStorePlan(keep_s=600.0)
    answer = StoredResponse(at=time.time() - age_s, output=b"[]", input=b"[]", rest=rest)
    FileResponseStore(home, lambda: ROOTS, plan).put("t", "p", DIGITS, answer)
    return ResponseService(home, lambda: ROOTS, lambda: plan)


def refuse(service: ResponseService, who: Caller, name: str = NAME) -> int:
    with pytest.raises(Refused) as caught:
        service.find(who, name)
    with pytest.raises(Refused):
        service.delete(who, name)
    return caught.value.status


def test_its_project_finds_it_until_it_is_deleted(tmp_path: Path) -> None:
    service = kept(tmp_path)
    assert service.find(caller(), NAME).output == b"[]"
    service.delete(caller(), NAME)
    assert refuse(service, caller()) == 404


def test_no_other_project_or_tenant_finds_or_deletes_it(tmp_path: Path) -> None:
    service = kept(tmp_path)
    assert refuse(service, caller("q")) == 404 and refuse(service, caller(tenant="u")) == 404
    assert service.find(caller(), NAME).input == b"[]"


@pytest.mark.parametrize("name", [f"msg_{DIGITS}", "resp_1", "../x", f"resp_{DIGITS}/..", ""])
def test_only_the_name_of_an_answer_names_one(tmp_path: Path, name: str) -> None:
    assert refuse(kept(tmp_path), caller(), name) == 404


def test_what_is_too_old_or_of_an_earlier_version_is_not_there(tmp_path: Path) -> None:
    assert refuse(kept(tmp_path, age_s=601.0), caller()) == 404
    assert refuse(kept(tmp_path, rest=b""), caller()) == 404


def test_a_gateway_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    service: Any = ResponseService(tmp_path, lambda: ROOTS, ResponseStorePlan)
    with pytest.raises(Refused, match=r"gateway\.responses_store\.keep_s"):
        service.find(caller(), NAME)
