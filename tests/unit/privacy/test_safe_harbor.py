"""Ages, postal codes and URLs, and what the profile for the Safe Harbor rule makes of a note."""

from __future__ import annotations

import pytest

from steward.privacy.config import PrivacyConfig
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
