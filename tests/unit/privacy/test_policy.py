"""What each action makes of a value."""

import hashlib
import hmac

import pytest

from steward.privacy.policy import Action, PrivacyPolicy, change_value


@pytest.mark.parametrize(
    ("action", "entity", "value", "expected"),
    [
        ("pseudonymise", "PERSON", "Bo Li", None),
        ("redact", "PERSON", "Bo Li", "[PERSON REDACTED]"),
        ("redact", "STREET_ADDRESS", "Kerkstraat 5", "[ADDR REDACTED]"),
        ("mask", "CREDIT_CARD", "4111 1111 1111 1111", "**** **** **** 1111"),
        ("mask", "PHONE_NUMBER", "+49 30 23125123", "+** ** ****5123"),  # 12 digits
        ("mask", "PHONE_NUMBER", "+49 30 2312512", "+** ** *******"),  # 11
        ("mask", "EMAIL_ADDRESS", "bob@example.com", "***@*******.***"),
        ("generalise", "DATE_TIME", "3. März 1985", "1985"),
        ("generalise", "DATE_OF_BIRTH", "03/12/1985", "1985"),
        ("generalise", "DATE_TIME", "10/11/85", "[DATE REDACTED]"),
        ("generalise", "DATE_OF_BIRTH", "1937-01-01", "1937"),  # 89 years
        ("generalise", "DATE_OF_BIRTH", "1936-01-01", "90+"),
        ("generalise", "DATE_TIME", "1936-01-01", "1936"),
        ("generalise", "AGE", "89", "89"),
        ("generalise", "AGE", "90", "90+"),
        ("generalise", "US_ZIP_CODE", "94105-1234", "941"),
        ("generalise", "US_ZIP_CODE", "03601", "000"),  # New Hampshire, 20,000 people or fewer
        ("generalise", "PERSON", "Bo 1985", "[PERSON REDACTED]"),
    ],
)
def test_what_stands_where_a_value_stood(action: Action, entity: str, value: str, expected: str | None) -> None:
    assert change_value(action, entity, value, b"k", 2026) == expected


def test_a_hash_is_64_bits_of_an_hmac_of_kind_and_value() -> None:
    digest = hmac.new(b"k", b"PERSON\0Bo Li", hashlib.sha256).hexdigest()
    assert change_value("hash", "PERSON", "Bo Li", b"k", 2026) == f"[PERSON #{digest[:16]}]"


def test_a_key_comes_before_its_route_also_where_it_lets_all_through() -> None:
    policy = PrivacyPolicy(actions={"PERSON": "mask"}, routes={"r": {"PERSON": "hash"}}, keys={"k": {}})
    assert policy.choose_actions("r", "k") == {} and policy.choose_actions("r", "") == {"PERSON": "hash"}
    assert policy.choose_actions("", "") == {"PERSON": "mask"}


def test_a_picture_may_take_ten_seconds_unless_told() -> None:
    policy = PrivacyPolicy(actions={})
    assert (policy.ocr_budget_ms, policy.on_error, policy.unread, policy.surrogates) == (
        10_000.0,
        "block",
        "pass",
        False,
    )
