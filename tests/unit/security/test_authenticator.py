from __future__ import annotations

import pytest

from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS
from steward.core.keys import KeyRecord
from steward.security.authenticator import KeyAuthenticator

RECORD = KeyRecord(id="k1", name="web", digest="", project="p", team="shop", rpm=5, priority="low", created_at=0.0)


@pytest.mark.parametrize("headers", [{"authorization": "Bearer right"}, {"x-api-key": "right"}])
def test_a_key_becomes_a_caller(headers: dict[str, str]) -> None:
    caller = KeyAuthenticator({"right": RECORD}.get).authenticate(headers)
    principal = caller.principal
    assert (principal.kind, principal.id, principal.tenant, principal.project) == ("key", "k1", "default", "p")
    assert principal.rights == KEY_RIGHTS and principal.actor == "key:k1" and principal.team == "shop"
    assert (caller.limits.requests_per_minute, caller.limits.usd_per_day, caller.priority) == (5, None, "low")


def test_the_same_record_is_the_same_caller_until_it_changes() -> None:
    records = {"right": RECORD}
    authenticator = KeyAuthenticator(records.get)
    first = authenticator.authenticate({"x-api-key": "right"})
    assert authenticator.authenticate({"x-api-key": "right"}) is first
    records["right"] = KeyRecord(id="k1", name="web", digest="", rpm=9, created_at=0.0)
    assert authenticator.authenticate({"x-api-key": "right"}).limits.requests_per_minute == 9


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "didn't provide"),
        ({"authorization": "Bearer sk-wrong"}, "Incorrect"),
        ({"authorization": "Basic x"}, "didn't"),
    ],
)
def test_without_a_valid_key_nobody_is_let_in(headers: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        KeyAuthenticator({"right": RECORD}.get).authenticate(headers)
    assert caught.value.status == 401 and "sk-wrong" not in caught.value.message


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_may_stand_in_any_of_three_headers(name: str) -> None:
    authenticator = KeyAuthenticator({"right": RECORD}.get)
    assert authenticator.authenticate({name: " right "}).principal.id == "k1"
    assert authenticator.authenticate({"authorization": "Bearer right", name: "right"}).principal.id == "k1"
    with pytest.raises(Refused, match="Different API keys") as caught:
        authenticator.authenticate({"authorization": "Bearer right", name: "other"})
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_ten_thousand_callers_are_remembered() -> None:
    records = {str(number): KeyRecord(id=str(number), name="", digest="", created_at=0.0) for number in range(10_001)}
    authenticator = KeyAuthenticator(records.get)
    first = authenticator.authenticate({"api-key": "0"})
    for number in range(1, 10_000):
        authenticator.authenticate({"api-key": str(number)})
    assert authenticator.authenticate({"api-key": "0"}) is first
    authenticator.authenticate({"api-key": "10000"})
    assert authenticator.authenticate({"api-key": "0"}) is not first
