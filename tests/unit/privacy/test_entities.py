"""Kinds of personal data: their names, what profiles look for, and the older names that still work."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.privacy.entities import (
    ALIASES,
    ENTITIES,
    KINDS,
    PROFILES,
    SAFE_HARBOR,
    STRUCTURED,
    WRITTEN,
    find_entity,
    label_entity,
)


def test_every_kind_is_written_or_has_a_form() -> None:
    assert set(STRUCTURED) | set(WRITTEN) == set(ENTITIES) and not set(STRUCTURED) & set(WRITTEN)
    assert set(WRITTEN) == {"PERSON", "ORGANIZATION", "STREET_ADDRESS", "DATE_OF_BIRTH", "DATE_TIME", "AGE"}


def test_a_token_has_at_most_six_letters_and_is_one_kinds() -> None:
    tokens = [kind.token for kind in KINDS.values()]
    assert len(set(tokens)) == len(tokens) and all(token.isupper() and len(token) <= 6 for token in tokens)


def test_what_profiles_look_for() -> None:
    assert PROFILES["pci"] == ("CREDIT_CARD",) and PROFILES["secrets-only"] == ("SECRET",)
    assert PROFILES["all"] == ENTITIES and set(ENTITIES) - set(PROFILES["hipaa_safe_harbor"]) == {"SECRET"}
    assert set(ENTITIES) - set(PROFILES["gdpr"]) == {"DATE_TIME", "ORGANIZATION", "SECRET", *SAFE_HARBOR}
    assert PROFILES["default"] == PROFILES["standard"] == PROFILES["gdpr"]


@pytest.mark.parametrize(
    ("name", "entity"),
    [("email", "EMAIL_ADDRESS"), ("Payment_Card", "CREDIT_CARD"), ("iban_code", "IBAN_CODE"), ("PERSON", "PERSON")],
)
def test_a_kind_is_found_by_any_of_its_names(name: str, entity: str) -> None:
    assert find_entity(name) == entity


def test_others_are_named_with_what_there_is() -> None:
    with pytest.raises(UnknownName, match="entity 'emial'"):
        find_entity("emial")
    assert ALIASES == {
        "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER", "payment_card": "CREDIT_CARD", "ip_address": "IP_ADDRESS",
    }  # fmt: skip
    assert label_entity("CREDIT_CARD") == "payment_card" and label_entity("US_SSN") == "us_ssn"
