"""Ages, postal codes and URLs, and what the profile for the Safe Harbor rule makes of a note."""

from __future__ import annotations

import pytest

from steward.gateway.text_fields import replace_request_texts
from steward.privacy.config import PrivacyConfig
from steward.privacy.custom import CustomDetectors
from steward.privacy.policy import change_value
from steward.privacy.pseudonyms import replace
from steward.privacy.safe_harbor import find_ages, find_postal_codes, find_urls
from steward.privacy.scan import choose_entities, scan_text


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("a 93-year-old man", ["93"]),
        ("she is 41 years old", ["41"]),
        ("47 y/o, 52yo", ["47", "52"]),
        ("Age: 90", ["90"]),
        ("aged 7 and age 8.5", ["7"]),
        ("page 12, 3 old cars, 93 year plan", []),
    ],
)
def test_ages(text: str, ages: list[str]) -> None:
    words = set(text.lower().replace("-", " ").replace(",", " ").replace(":", " ").replace("/", " ").split()) | {"yo"}
    assert [text[start:end] for start, end in find_ages(text, words)] == ages


def test_postal_codes_after_a_state() -> None:
    text = "CA 94105, MA 02110-1301, XY 12345, WA 981051"
    assert [text[start:end] for start, end in find_postal_codes(text)] == ["94105", "02110-1301"]


def test_urls_end_before_the_sentence_does() -> None:
    assert list(find_urls("on www.example.org.")) == [(3, 18)]  # no scheme anywhere
    text = "See https://example.com/a?b=c. Or (www.example.org/x), not example.com"
    assert [text[start:end] for start, end in find_urls(text)] == ["https://example.com/a?b=c", "www.example.org/x"]


def test_a_note_by_the_safe_harbor_rule() -> None:
    """45 CFR 164.514(b)(2)(i): names, dates but the year, ages over 89, ZIP codes but three digits, URLs, numbers."""
    policy = PrivacyConfig.model_validate({"profile": "hipaa_safe_harbor", "actions": {"PERSON": "redact"}}).policy()
    assert policy is not None
    text = (
        "Patient: Maria Quill, 93-year-old, DOB: 03/12/1933, seen 2026-05-01 at zip 94105. "
        "License number A1234567, serial number SN-998877, account number 12345678."
    )
    findings = scan_text(text, policy.actions)
    shown = replace(
        text,
        findings,
        lambda one, value: change_value(policy.actions[one.entity], one.entity, value, b"", 2026) or f"<{one.entity}>",
    )
    assert shown == (
        "Patient: [PERSON REDACTED], 90+-year-old, DOB: 90+, seen 2026 at zip 941. "
        "License number <LICENSE_NUMBER>, serial number <DEVICE_ID>, account number <ACCOUNT_NUMBER>."
    )


def test_passwords_and_keys_are_a_profile_of_their_own() -> None:
    text = "export KEY=AKIAIOSFODNN7EXAMPLE for bob@example.com"
    assert [one.entity for one in scan_text(text, choose_entities("secrets-only"))] == ["SECRET"]
    assert [one.entity for one in scan_text(text, choose_entities("default"))] == ["EMAIL_ADDRESS"]


# 45 CFR 164.514(b)(2)(i): each of the identifiers by its letter, what a note says, and what is left of it.
IDENTIFIERS = [
    ("A names", "Patient: Maria Quill was seen.", "Patient: <PERSON> was seen."),
    ("B a street", "He lives at 12 Main Street now.", "He lives at <STREET_ADDRESS> now."),
    ("B three digits of a postal code", "zip 94105", "zip 941"),
    ("B no digits of a small area", "zip 03601", "zip 000"),  # 036: fewer than 20,000 people, Census 2000
    ("C the year of a date", "admitted on 2026-05-01.", "admitted on 2026."),
    ("C the year of a date in words", "discharged on May 3, 2026.", "discharged on 2026."),
    ("C a day and its month", "admitted on May 3.", "admitted on [DATE REDACTED]."),
    ("C a day before its month", "admitted on 3rd of May, feverish", "admitted on [DATE REDACTED], feverish"),
    ("C a date without its century", "DOB: 03/12/54", "DOB: [BIRTH REDACTED]"),
    ("C an age of 89", "an 89-year-old man", "an 89-year-old man"),
    ("C an age of 90", "a 90-year-old man", "a 90+-year-old man"),
    ("C a year that tells an age over 89", "DOB: 03/12/1936", "DOB: 90+"),
    ("C a year that tells an age of 89", "DOB: 03/12/1937", "DOB: 1937"),
    ("D telephone", "Phone: (212) 555-0123", "Phone: <PHONE_NUMBER>"),
    ("E fax", "Fax: 212-555-0124", "Fax: <PHONE_NUMBER>"),
    ("F e-mail", "write to bob@example.com", "write to <EMAIL_ADDRESS>"),
    ("G social security", "SSN 536-22-1234", "SSN <US_SSN>"),
    ("H medical record", "MRN 00123456", "MRN <MEDICAL_RECORD>"),
    ("I health plan", "Member ID: XYZ-12345678", "Member ID: <POLICY_NUMBER>"),
    ("J account", "account number 12345678", "account number <ACCOUNT_NUMBER>"),
    ("K licence", "License number A1234567", "License number <LICENSE_NUMBER>"),
    ("L vehicle", "VIN 1HGCM82633A004352", "VIN <VIN>"),
    ("L plate", "license plate 7ABC123 was", "license plate <VIN> was"),
    ("M device", "serial number SN-998877", "serial number <DEVICE_ID>"),
    ("N URL", "see https://example.com/p/17.", "see <URL>."),
    ("O IP address", "from 192.0.2.44 today", "from <IP_ADDRESS> today"),
]


@pytest.mark.parametrize(("text", "left"), [row[1:] for row in IDENTIFIERS], ids=[row[0] for row in IDENTIFIERS])
def test_each_identifier_of_the_rule(text: str, left: str) -> None:
    policy = PrivacyConfig.model_validate({"profile": "hipaa_safe_harbor"}).policy()
    assert policy is not None
    actions = policy.actions
    findings = scan_text(text, actions)
    assert left == replace(
        text,
        findings,
        lambda one, value: change_value(actions[one.entity], one.entity, value, b"", 2026) or f"<{one.entity}>",
    )


def test_the_rest_of_the_rule_is_no_text_or_needs_a_detector_of_ones_own() -> None:
    """P and Q, biometrics and photographs: `privacy.unread: block`. R, any other unique number: a detector."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}
    body = {"messages": [{"role": "user", "content": [picture]}]}
    assert replace_request_texts(body, str) == {"url"}
    policy = PrivacyConfig.model_validate(
        {"profile": "hipaa_safe_harbor", "unread": "block", "detectors": [{"name": "study", "pattern": "ST-[0-9]{4}"}]}
    ).policy()
    assert policy is not None
    assert policy.unread == "block"
    custom = CustomDetectors(policy.detectors)
    assert [one.entity for one in scan_text("of ST-0042", policy.actions, custom=custom)] == ["CUSTOM"]
