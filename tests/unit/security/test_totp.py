"""Codes of RFC 6238, appendix B (SHA-1, the last six of the eight digits there), and when they may be used."""

from __future__ import annotations

import base64

import pytest

from steward.security.totp import describe_secret, find_step, make_secret

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code", "step"),
    [
        (59, "287082", 1),
        (1111111109, "081804", 37037036),
        (1111111111, "050471", 37037037),
        (2000000000, "279037", 66666666),
    ],
)
def test_the_codes_of_the_rfc(at: int, code: str, step: int) -> None:
    assert find_step(SECRET, code, at, None) == step


@pytest.mark.parametrize(
    ("now", "step"), [(0.0, 1), (29.9, 1), (30.0, 1), (59.9, 1), (60.0, 1), (89.9, 1), (90.0, None)]
)
def test_one_step_of_difference_is_allowed(now: float, step: int | None) -> None:
    assert find_step(SECRET, "287082", now, None) == step


def test_the_first_step_of_all_has_a_code() -> None:
    """755224: counter 0 in RFC 4226, appendix D."""
    assert find_step(SECRET, "755224", 0.0, None) == 0 and find_step(SECRET, "755224", 60.0, None) is None


@pytest.mark.parametrize(("last", "step"), [(None, 1), (0, 1), (1, None), (2, None)])
def test_a_code_is_good_once(last: int | None, step: int | None) -> None:
    assert find_step(SECRET, "287082", 59.0, last) == step


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "２８７０８２", "287083", "-87082"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert find_step(SECRET, code, 59.0, None) is None


def test_a_code_in_two_groups_is_read() -> None:
    assert find_step(SECRET, "287 082", 59.0, None) == 1


def test_a_secret_is_160_bits_and_its_address_names_the_user() -> None:
    secret = make_secret()
    assert len(base64.b32decode(secret)) == 20 and secret != make_secret()
    assert describe_secret(secret, "anna") == f"otpauth://totp/steward:anna?secret={secret}&issuer=steward"
