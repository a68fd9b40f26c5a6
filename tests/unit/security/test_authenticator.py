from __future__ import annotations

import pytest
from msgspec.structs import replace

from steward.core.access import Place
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller
from steward.core.keys import KeyRecord
from steward.core.networks import parse_networks
from steward.core.records import LimitSpec
from steward.security.authenticator import KeyAuthenticator, is_in_period, make_machine
from steward.security.keys import KeyReach


class Request:
    """A request with these headers that came through these addresses, nearest first."""

    def __init__(self, headers: dict[str, str], *hops: str) -> None:
        self.headers, self.hops = headers, list(hops)
        self.certificate: str | None = None

    def list_hops(self) -> list[str]:
        return self.hops


RECORD = KeyRecord(id="k1", name="web", digest="", project="p", team="shop", rpm=5, priority="low", created_at=0.0)


@pytest.mark.parametrize("headers", [{"authorization": "Bearer right"}, {"x-api-key": "right"}])
def test_a_key_becomes_a_caller(headers: dict[str, str]) -> None:
    caller = KeyAuthenticator({"right": RECORD}.get).authenticate(Request(headers))
    principal = caller.principal
    assert (principal.kind, principal.id, principal.tenant, principal.project) == ("key", "k1", "default", "p")
    assert principal.rights == KEY_RIGHTS and principal.actor == "key:k1" and principal.team == "shop"
    assert (caller.limits.requests_per_minute, caller.limits.usd_per_day, caller.priority) == (5, None, "low")


def test_the_same_record_is_the_same_caller_until_it_changes() -> None:
    records = {"right": RECORD}
    authenticator = KeyAuthenticator(records.get)
    first = authenticator.authenticate(Request({"x-api-key": "right"}))
    assert authenticator.authenticate(Request({"x-api-key": "right"})) is first
    records["right"] = KeyRecord(id="k1", name="web", digest="", rpm=9, created_at=0.0)
    assert authenticator.authenticate(Request({"x-api-key": "right"})).limits.requests_per_minute == 9


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
        KeyAuthenticator({"right": RECORD}.get).authenticate(Request(headers))
    assert caught.value.status == 401 and "sk-wrong" not in caught.value.message


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_may_stand_in_any_of_three_headers(name: str) -> None:
    authenticator = KeyAuthenticator({"right": RECORD}.get)
    assert authenticator.authenticate(Request({name: " right "})).principal.id == "k1"
    assert authenticator.authenticate(Request({"authorization": "Bearer right", name: "right"})).principal.id == "k1"
    with pytest.raises(Refused, match="Different API keys") as caught:
        authenticator.authenticate(Request({"authorization": "Bearer right", name: "other"}))
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_ten_thousand_callers_are_remembered() -> None:
    records = {str(number): KeyRecord(id=str(number), name="", digest="", created_at=0.0) for number in range(10_001)}
    authenticator = KeyAuthenticator(records.get)
    first = authenticator.authenticate(Request({"api-key": "0"}))
    for number in range(1, 10_000):
        authenticator.authenticate(Request({"api-key": str(number)}))
    assert authenticator.authenticate(Request({"api-key": "0"})) is first
    authenticator.authenticate(Request({"api-key": "10000"}))
    assert authenticator.authenticate(Request({"api-key": "0"})) is not first


SENT = {"x-api-key": "right"}


def ask(record: KeyRecord, now: float = 0.0, *hops: str, trusted: tuple[str, ...] = ()) -> Caller:
    authenticator = KeyAuthenticator({"right": record}.get, lambda: parse_networks(trusted), lambda: now)
    return authenticator.authenticate(Request(SENT, *hops))


def refusal(record: KeyRecord, now: float = 0.0, *hops: str, trusted: tuple[str, ...] = ()) -> tuple[int, str, str]:
    with pytest.raises(Refused) as caught:
        ask(record, now, *hops, trusted=trusted)
    return caught.value.status, caught.value.code, caught.value.message


def test_a_key_ends_at_its_second_and_says_when() -> None:
    record = replace(RECORD, expires_at=100.0)
    assert ask(record, 99.999).principal.id == "k1"
    status, code, message = refusal(record, 100.0)
    assert (status, code) == (401, "expired_api_key") and "expired at 1970-01-01 00:01:40 UTC" in message


def test_a_key_begins_at_its_second() -> None:
    record = replace(RECORD, not_before=100.0)
    assert ask(record, 100.0).principal.id == "k1"
    status, code, message = refusal(record, 99.999)
    assert (status, code) == (401, "api_key_not_yet_valid") and "not valid before 1970-01-01 00:01:40 UTC" in message


def test_a_caller_that_is_remembered_expires_too() -> None:
    now = [99.0]
    record = replace(RECORD, expires_at=100.0)
    authenticator = KeyAuthenticator({"right": record}.get, clock=lambda: now[0])
    authenticator.authenticate(Request(SENT))
    now[0] = 100.0
    with pytest.raises(Refused, match="expired"):
        authenticator.authenticate(Request(SENT))


def test_a_key_works_from_its_networks_only() -> None:
    record = replace(RECORD, networks=("10.0.0.0/8", "2001:db8::/32"))
    for address in ("10.255.255.255", "::ffff:10.0.0.1", "2001:db8::1"):
        assert ask(record, 0.0, address).principal.id == "k1"
    for address in ("11.0.0.0", "::1", "", "unix:"):
        status, code, _ = refusal(record, 0.0, address)
        assert (status, code) == (403, "address_not_allowed")
    assert "may not be used from 11.0.0.0." in refusal(record, 0.0, "11.0.0.0")[2]


def test_what_a_stranger_says_of_his_address_is_not_believed() -> None:
    record = replace(RECORD, networks=("10.0.0.0/8",))
    assert refusal(record, 0.0, "203.0.113.9", "10.0.0.1")[0] == 403
    proxy = ("192.0.2.1/32",)
    assert ask(record, 0.0, "192.0.2.1", "10.0.0.1", trusted=proxy).principal.id == "k1"
    assert refusal(record, 0.0, "192.0.2.1", "203.0.113.9", "10.0.0.1", trusted=proxy)[0] == 403


def test_models_and_lineage_arrive_at_the_caller() -> None:
    caller = ask(replace(RECORD, models=frozenset({"small"}), lineage="k0"))
    assert caller.models == {"small"} and caller.counted_as == "k0"
    assert ask(RECORD).models is None and ask(RECORD).counted_as is None


def test_networks_and_periods_are_told_to_the_holder_of_the_key_alone() -> None:
    record = replace(RECORD, networks=("10.0.0.0/8",), expires_at=1.0)
    authenticator = KeyAuthenticator({"right": record}.get, clock=lambda: 2.0)
    with pytest.raises(Refused, match="malformed, unknown or revoked"):
        authenticator.authenticate(Request({"x-api-key": "wrong"}, "203.0.113.9"))


def test_a_batch_asks_whether_its_key_is_still_in_force() -> None:
    record = replace(RECORD, not_before=10.0, expires_at=20.0)
    assert [is_in_period(record, now) for now in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]
    assert is_in_period(RECORD, 0.0)


BILLING = make_machine(
    "certificate:billing",
    Place("acme", "shop"),
    KeyReach(frozenset({"infer"}), frozenset({"a"})),
    "certificate",
    frozenset({"infer"}),
)


def shown(certificate: str | None, headers: dict[str, str] | None = None) -> Request:
    request = Request(headers or {})
    request.certificate = certificate
    return request


def test_a_machine_is_a_caller_with_its_grants_and_everybodys_limits() -> None:
    principal = BILLING.principal
    assert (principal.kind, principal.id, principal.tenant, principal.project) == (
        "certificate",
        "billing",
        "acme",
        "shop",
    )
    assert principal.rights == {"public", "infer"} and principal.auth_method == "certificate"
    assert BILLING.models == {"a"} and BILLING.limits == LimitSpec() and BILLING.counted_as is None
    assert principal.account == principal.actor == "certificate:billing"


def test_a_certificate_says_who_it_is_where_no_key_does() -> None:
    authenticator = KeyAuthenticator({"right": RECORD}.get, find_certificate={"billing": BILLING}.get)
    assert authenticator.authenticate(shown("billing")) is BILLING
    assert authenticator.authenticate(shown("billing", {"x-api-key": "right"})).principal.id == "k1"
    with pytest.raises(Refused) as caught:
        authenticator.authenticate(shown("other"))
    assert (caught.value.status, caught.value.code) == (403, "certificate_without_role")
    with pytest.raises(Refused, match="Incorrect"):  # a wrong key is not made good by a certificate
        authenticator.authenticate(shown("billing", {"x-api-key": "wrong"}))


def test_where_certificates_are_required_a_key_alone_is_not_enough() -> None:
    authenticator = KeyAuthenticator({"right": RECORD}.get, needs_certificate=True)
    with pytest.raises(Refused) as caught:
        authenticator.authenticate(shown(None, {"x-api-key": "right"}))
    assert (caught.value.status, caught.value.code) == (401, "client_certificate_required")
    assert authenticator.authenticate(shown("any", {"x-api-key": "right"})).principal.id == "k1"
