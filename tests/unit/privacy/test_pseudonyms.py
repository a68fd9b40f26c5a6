"""Tokens and the way back. The tokens are worked out by hand from RFC 2104's HMAC and Crockford's base 32."""

import hashlib
import hmac

import pytest

from steward.privacy.finding import PersonalFinding
from steward.privacy.pseudonyms import Ambiguous, Pseudonyms, make_token, mask, replace
from steward.privacy.url_context import UrlContext

TOKEN = "EMAIL_0123456789"
BACK = Pseudonyms({TOKEN: "bob@example.com", "IP_ABCDEFGHJK": "192.0.2.1"})


def by_hand(key: bytes, *parts: str) -> str:
    """Fifty bits, five at a time from the lowest, of the first seven bytes of the HMAC over lengths and parts."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    number = int.from_bytes(hmac.new(key, message, hashlib.sha256).digest()[:7], "big")
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number // 32**place % 32] for place in range(10))


def test_a_token_is_fifty_bits_of_the_hmac() -> None:
    assert (
        make_token(b"k", ("p", "c"), "PHONE_NUMBER", "+1", 3) == f"PHONE_{by_hand(b'k', 'p', 'c', 'phone', '+1', '3')}"
    )
    assert make_token(b"k", ("p",), "CREDIT_CARD", "4") == f"CARD_{by_hand(b'k', 'p', 'payment_card', '4', '0')}"


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 200])
def test_a_key_may_be_shorter_and_longer_than_a_block_of_the_hash(length: int) -> None:
    key = bytes(range(length))
    assert make_token(key, ("p",), "CREDIT_CARD", "4") == f"CARD_{by_hand(key, 'p', 'payment_card', '4', '0')}"


def test_no_two_ways_to_cut_parts_give_one_token() -> None:
    assert make_token(b"k", ("ab", "c"), "EMAIL_ADDRESS", "x") != make_token(b"k", ("a", "bc"), "EMAIL_ADDRESS", "x")


def test_a_token_comes_back_in_any_case_and_only_if_issued() -> None:
    assert BACK.restore(f"to {TOKEN.lower()}, not EMAIL_9999999999") == "to bob@example.com, not EMAIL_9999999999"


def test_a_token_within_what_only_has_the_shape_is_found() -> None:
    """`EMAIL_EMAIL` is no token's beginning; `IP_IP_ABCDEFGHJK` holds one from its fourth character on."""
    assert BACK.restore("IP_IP_ABCDEFGHJK") == "IP_192.0.2.1"
    assert BACK.restore(f"x{TOKEN}{TOKEN}") == "xbob@example.combob@example.com"


@pytest.mark.parametrize("length", range(1, 16))
def test_what_may_become_a_token_is_held_back(length: int) -> None:
    beginning, rest = TOKEN[:length], TOKEN[length:]
    assert BACK.feed(f"to {beginning}", last=False) == ("to ", beginning)
    assert BACK.feed(beginning + rest, last=False) == ("bob@example.com", "")
    assert BACK.feed(f"to {beginning}", last=True) == (f"to {beginning}", "")


def test_what_can_no_longer_become_a_token_is_let_go() -> None:
    assert BACK.feed("EMAIL_01234x", last=False) == ("EMAIL_01234x", "")
    assert BACK.feed("EMAIL_9", last=False) == ("EMAIL_9", "")  # no issued token begins so


def email(start: int, end: int) -> PersonalFinding:
    return PersonalFinding(start, end, "EMAIL_ADDRESS", 0.99, "email")


def phone(start: int, end: int) -> PersonalFinding:
    return PersonalFinding(start, end, "PHONE_NUMBER", 0.75, "phone")


def keep_phones(entity: str, value: str) -> str | None:
    return f"<{value}>" if entity == "PHONE_NUMBER" else None


def test_findings_are_replaced_from_left_to_right() -> None:
    assert replace("abcdefg", [email(1, 3), phone(4, 5)], lambda one, value: f"[{one.entity} {value}]") == (
        "a[EMAIL_ADDRESS bc]d[PHONE_NUMBER e]fg"
    )


def test_values_become_tokens_or_are_changed_for_good() -> None:
    findings = [email(0, 1), phone(2, 3), email(4, 5)]
    (masked,), back = mask(["b 1 b"], [findings], lambda entity, value, attempt: TOKEN, keep_phones)
    assert masked == f"{TOKEN} <1> {TOKEN}" and back.restore(masked) == "b <1> b"


def test_where_nothing_is_changed_for_good_each_value_becomes_a_token() -> None:
    findings = [[], [email(0, 1), phone(2, 3)]]
    masked, back = mask(["a", "b 1"], findings, lambda entity, value, _: f"{entity[:5]}_ABCDEFGH{value}0".upper(), None)
    assert masked == ("a", "EMAIL_ABCDEFGHB0 PHONE_ABCDEFGH10") and back.restore(masked[1]) == "b 1"


def test_a_text_that_holds_the_token_itself_gets_another() -> None:
    """The client wrote what would be the token of `b`: the next attempt's token keeps both apart."""
    tokens = {0: TOKEN, 1: "EMAIL_AAAAAAAAAA"}
    (masked,), back = mask([f"b {TOKEN}"], [[email(0, 1)]], lambda _, value, attempt: tokens[attempt], keep_phones)
    assert masked == f"EMAIL_AAAAAAAAAA {TOKEN}" and back.restore(masked) == f"b {TOKEN}"


def test_after_eight_attempts_it_gives_up() -> None:
    attempts: list[int] = []

    def make(entity: str, value: str, attempt: int) -> str:
        attempts.append(attempt)
        return TOKEN

    with pytest.raises(Ambiguous):
        mask([f"b {TOKEN}"], [[email(0, 1)]], make, keep_phones)
    assert attempts == list(range(8))


@pytest.mark.parametrize("text", [f"{TOKEN} and {TOKEN[:7]}", f"{TOKEN[:3]} {TOKEN} {TOKEN[:15]}"])
def test_a_token_before_what_may_become_one_comes_back(text: str) -> None:
    out, held = BACK.feed(text, last=False)
    assert out == text.removesuffix(held).replace(TOKEN, "bob@example.com") and held == text.rpartition(" ")[2]


def test_a_token_in_a_url_stays_one() -> None:
    assert BACK.feed(f"http://e/{TOKEN} {TOKEN}", last=True) == (f"http://e/{TOKEN} bob@example.com", "")
    context = UrlContext()
    assert BACK.feed("http://e/", last=False, context=context) == ("http://e/", "")
    assert BACK.feed(TOKEN, last=True, context=context) == (TOKEN, "")


@pytest.mark.parametrize("text", ["EMAIL_EMAIL_0123456789", "IP_IP_IP_ABCDEFGHJK", "xIP_IP_ABCDEFGHJKIP_ABCDEFGHJK"])
def test_a_token_right_behind_a_false_start_is_found(text: str) -> None:
    expected = text.replace(TOKEN, "bob@example.com").replace("IP_ABCDEFGHJK", "192.0.2.1")
    assert BACK.restore(text) == expected
