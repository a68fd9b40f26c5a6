from __future__ import annotations

import hashlib

import argon2
import pytest

from steward.core.errors import InputError
from steward.security.passwords import check_password, hash_password, verify_password

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(GOOD)


def test_the_hash_is_argon2id_with_the_parameters_of_rfc_9106(hashed: str) -> None:
    parameters = argon2.extract_parameters(hashed)
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (65536, 3, 4)  # section 4, second


def test_only_the_password_itself_is_right(hashed: str) -> None:
    assert verify_password(hashed, GOOD)
    wrong = ["", GOOD + " ", GOOD.upper(), hashed, hashlib.sha256(GOOD.encode()).hexdigest(), "x" * 257]
    assert [verify_password(hashed, text) for text in wrong] == [False] * 6


@pytest.mark.parametrize(("length", "is_read"), [(255, True), (256, True), (257, False)])
def test_a_password_of_256_characters_opens_and_a_longer_one_is_not_even_hashed(length: int, is_read: bool) -> None:
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a hash tells its own parameters
    assert verify_password(quick.hash("x" * length), "x" * length) is is_read


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=65536,t=3,p=4$"])
def test_what_is_no_hash_fits_nothing(stored: str) -> None:
    assert not verify_password(stored, stored)


def test_two_hashes_of_one_password_differ(hashed: str) -> None:
    assert hash_password(GOOD) != hashed


@pytest.mark.parametrize(
    "password", [GOOD, "x7" * 3 + "abcdefgh", "a b c d e f g", "ключ к двери 12", "q" * 5 + "wertzuiop" + "x" * 242]
)
def test_what_is_good_enough(password: str) -> None:
    check_password(password, "anna")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "5 characters: expected 12 to 256"),
        ("elevenchars", "11 characters"),
        ("x" * 257, "257 characters"),
        ("aaaaaaaaaaaa", "fewer than 5 different"),
        ("abcdabcdabcd", "fewer than 5 different"),
        ("anna.anna.anna", "fewer than 5 different"),
        ("ANNAanna1111", "fewer than 5 different"),
    ],
)
def test_what_is_too_weak(password: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        check_password(password, "anna")
    assert password not in str(caught.value)


@pytest.mark.parametrize(("different", "taken"), [("abcd", False), ("abcde", True)])
def test_a_password_has_five_different_characters_besides_the_name(different: str, taken: bool) -> None:
    password = different * 5 + "ANNA"
    if taken:
        check_password(password, "anna")
    else:
        with pytest.raises(InputError, match="fewer than 5 different characters besides the name"):
            check_password(password, "anna")
