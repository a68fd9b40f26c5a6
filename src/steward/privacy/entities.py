"""Which kinds of personal data there are: names, placeholders and words for people.

The names are Presidio's where it has one. `label` is what counts and receipts call a kind, `token` what its pseudonyms
begin with; those of the first four kinds are older than the rest and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from steward.core.errors import UnknownName


class Entity(msgspec.Struct, frozen=True):
    """One kind. `phrase` stands in a sentence ("the request contains …"), `plural` in a list; `token` has at most six
    letters, so that a stream holds back at most 16 characters."""

    name: str
    token: str
    phrase: str
    plural: str
    label: str = ""
    written: bool = False  # found by words around it rather than by a form


_KINDS: Final = (
    Entity("EMAIL_ADDRESS", "EMAIL", "an e-mail address", "e-mail addresses", "email"),
    Entity("PHONE_NUMBER", "PHONE", "a phone number", "phone numbers", "phone"),
    Entity("CREDIT_CARD", "CARD", "a payment card number", "payment cards", "payment_card"),
    Entity("IP_ADDRESS", "IP", "an IP address", "IP addresses", "ip_address"),
    Entity("MAC_ADDRESS", "MAC", "a MAC address", "MAC addresses"),
    Entity("IBAN_CODE", "IBAN", "an IBAN", "IBANs"),
    Entity("US_SSN", "SSN", "a US social security number", "US social security numbers"),
    Entity("US_ITIN", "ITIN", "a US taxpayer number", "US taxpayer numbers"),
    Entity("UK_NHS", "NHS", "an NHS number", "NHS numbers"),
    Entity("DK_CPR", "CPR", "a CPR number", "CPR numbers"),
    Entity("PL_PESEL", "PESEL", "a PESEL number", "PESEL numbers"),
    Entity("IN_AADHAAR", "UIDAI", "an Aadhaar number", "Aadhaar numbers"),
    Entity("BR_CPF", "CPF", "a CPF number", "CPF numbers"),
    Entity("NL_BSN", "BSN", "a BSN", "BSNs"),
    Entity("FR_NIR", "NIR", "a French social security number", "French social security numbers"),
    Entity("ES_NIF", "NIF", "a Spanish NIF", "Spanish NIFs"),
    Entity("IT_FISCAL_CODE", "FISCAL", "an Italian tax code", "Italian tax codes"),
    Entity("DE_TAX_ID", "TAXID", "a German tax number", "German tax numbers"),
    Entity("CRYPTO", "WALLET", "a crypto address", "crypto addresses"),
    Entity("MEDICAL_RECORD", "MRN", "a medical record number", "medical record numbers"),
    Entity("POLICY_NUMBER", "POLICY", "a health plan number", "health plan numbers"),
    Entity("VIN", "VIN", "a vehicle number", "vehicle numbers"),
    Entity("PERSON", "PERSON", "a name", "names", written=True),
    Entity("ORGANIZATION", "ORG", "an organisation", "organisations", written=True),
    Entity("STREET_ADDRESS", "ADDR", "a postal address", "postal addresses", written=True),
    Entity("DATE_OF_BIRTH", "BIRTH", "a date of birth", "dates of birth", written=True),
    Entity("DATE_TIME", "DATE", "a date", "dates", written=True),
    Entity("AGE", "AGE", "an age", "ages", written=True),
    Entity("US_ZIP_CODE", "ZIP", "a US postal code", "US postal codes"),
    Entity("URL", "URL", "a URL", "URLs"),
    Entity("ACCOUNT_NUMBER", "ACCT", "an account number", "account numbers"),
    Entity("LICENSE_NUMBER", "LICNO", "a licence number", "licence numbers"),
    Entity("DEVICE_ID", "DEVICE", "a device's number", "numbers of devices"),
    Entity("CUSTOM", "CUSTOM", "a value of your own detector", "what your own detectors find"),
    Entity("SECRET", "SECRET", "a password or key", "passwords and keys"),
)
KINDS: Final[Mapping[str, Entity]] = {kind.name: kind for kind in _KINDS}
ENTITIES: Final = tuple(KINDS)
STRUCTURED: Final = tuple(kind.name for kind in _KINDS if not kind.written)
WRITTEN: Final = tuple(kind.name for kind in _KINDS if kind.written)
ALIASES: Final = {kind.label: kind.name for kind in _KINDS if kind.label}

SAFE_HARBOR: Final = ("AGE", "US_ZIP_CODE", "URL", "ACCOUNT_NUMBER", "LICENSE_NUMBER", "DEVICE_ID")
_NOT_PERSONAL: Final = {"DATE_TIME", "ORGANIZATION", "SECRET", *SAFE_HARBOR}
_PERSONAL: Final = tuple(entity for entity in ENTITIES if entity not in _NOT_PERSONAL)
PROFILES: Final[dict[str, tuple[str, ...]]] = {
    "default": _PERSONAL,
    "standard": _PERSONAL,
    "gdpr": _PERSONAL,
    "hipaa_safe_harbor": tuple(
        entity for entity in ENTITIES if entity != "SECRET"
    ),  # 45 CFR 164.514(b)(2)(i): all elements of dates but the year, too
    "pci": ("CREDIT_CARD",),
    "secrets-only": ("SECRET",),
    "all": ENTITIES,
}


LABELS: Final[Mapping[str, str]] = {kind.name: kind.label or kind.name.lower() for kind in _KINDS}


def label_entity(name: str) -> str:
    """What counts and receipts call a kind.

    >>> label_entity("EMAIL_ADDRESS"), label_entity("IBAN_CODE")
    ('email', 'iban_code')
    """
    return LABELS[name]


def find_entity(name: str) -> str:
    """The entity of a name, whatever its case, or of an older name (`email`, `payment_card`).

    :raises UnknownName: there is none
    """
    entity = ALIASES.get(name.lower(), name.upper())
    if entity not in KINDS:
        raise UnknownName("entity", name, (*ENTITIES, *ALIASES))
    return entity
