"""Which kinds of personal data there are, by Presidio's names where it has one, and what each profile looks for."""

from __future__ import annotations

from typing import Final

STRUCTURED: Final = (
    "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IP_ADDRESS", "MAC_ADDRESS", "IBAN_CODE", "US_SSN", "US_ITIN",
    "UK_NHS", "DK_CPR", "PL_PESEL", "IN_AADHAAR", "BR_CPF", "NL_BSN", "FR_NIR", "ES_NIF", "IT_FISCAL_CODE", "DE_TAX_ID",
    "CRYPTO", "MEDICAL_RECORD", "POLICY_NUMBER", "VIN",
)  # fmt: skip
WRITTEN: Final = ("PERSON", "ORGANIZATION", "STREET_ADDRESS", "DATE_OF_BIRTH", "DATE_TIME")
ENTITIES: Final = (*STRUCTURED, *WRITTEN)

_NOT_PERSONAL: Final = {"DATE_TIME", "ORGANIZATION"}
PROFILES: Final[dict[str, tuple[str, ...]]] = {
    "default": tuple(entity for entity in ENTITIES if entity not in _NOT_PERSONAL),
    "gdpr": tuple(entity for entity in ENTITIES if entity not in _NOT_PERSONAL),
    "hipaa_safe_harbor": ENTITIES,  # 45 CFR 164.514(b)(2)(i): all elements of dates but the year, too
    "pci": ("CREDIT_CARD",),
    "all": ENTITIES,
}
