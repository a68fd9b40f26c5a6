from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.identity import KEY_RIGHTS, Principal, operator
from steward.workflows.key_terms import KeyTerms, check_tenant, check_within, make_terms, parse_moment, read_rights

DAY = 86400.0


def test_a_key_lasts_90_days_unless_told() -> None:
    assert make_terms(1000.0) == KeyTerms(rights=KEY_RIGHTS, expires_at=1000.0 + 90 * DAY)
    assert make_terms(1000.0, expires="never").expires_at is None
    assert make_terms(1000.0, expires="30d").expires_at == 1000.0 + 30 * DAY


def test_90_days_count_from_the_start() -> None:
    terms = make_terms(0.0, starts="10d")
    assert (terms.not_before, terms.expires_at) == (10 * DAY, 100 * DAY)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30d", 100 + 30 * DAY),
        ("2w", 100 + 14 * DAY),
        ("90s", 190.0),
        ("1970-01-03", 2 * DAY),
        ("1970-01-01T01:00", 3600.0),
        ("1970-01-01T01:00+01:00", 0.0),
    ],
)
def test_moments(text: str, at: float) -> None:
    assert parse_moment("expiry", text, 100.0) == at


@pytest.mark.parametrize("text", ["soon", "30", "-1d", "1y", "2027-13-01", "1970-", "", "1e9d", "9999999d"])
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expiry"):
        parse_moment("expiry", text, 0.0)


@pytest.mark.parametrize("expires", ["0s", "1970-01-01"])
def test_a_key_that_has_ended_before_it_began_is_refused(expires: str) -> None:
    with pytest.raises(InputError, match="would have expired"):
        make_terms(100.0, expires=expires)
    with pytest.raises(InputError, match="would have expired"):
        make_terms(0.0, starts="10d", expires="10d")


def test_rights_models_and_networks_are_read() -> None:
    terms = make_terms(0.0, rights=["infer"], models=["a", "meta/llama-3"], networks=["10.0.0.0/8", "2001:db8::1"])
    assert terms.rights == {"public", "infer"} and terms.models == {"a", "meta/llama-3"}
    assert terms.networks == ("10.0.0.0/8", "2001:db8::1/128")


def test_what_is_no_right_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'infer'"):
        read_rights(["infr"])
    with pytest.raises(UnknownName):
        read_rights(["public"])  # everybody has it
    with pytest.raises(InputError, match="one at least"):
        read_rights([])


@pytest.mark.parametrize("models", [[], ["a b"], ["*"], ["x" * 129]])
def test_what_is_no_model_is_refused(models: list[str]) -> None:
    with pytest.raises(InputError, match="model"):
        make_terms(0.0, models=models)


def test_nobody_gives_rights_that_he_lacks() -> None:
    person = Principal(kind="person", id="anna", rights=frozenset({"infer", "keys.manage"}))
    check_within(make_terms(0.0, rights=["infer"]), person)
    check_within(make_terms(0.0), operator(0))
    with pytest.raises(InputError, match=r"rights feedback, models.read: person:anna does not have them"):
        check_within(make_terms(0.0), person)


@pytest.mark.parametrize("name", ["", "A", "a b", "x" * 65, "-a", "a/b"])
def test_what_is_no_tenant_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="tenant"):
        check_tenant(name)
    assert check_tenant("acme-1.eu") == "acme-1.eu"
