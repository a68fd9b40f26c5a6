"""Words, lengths and canaries."""

from __future__ import annotations

import base64

import pytest

from steward.guardrails.words import CanaryCheck, LengthCheck, WordsCheck


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("you idiot!", True), ("IDIOT", True), ("idiotic", False), ("a foolish one", True), ("fool", True),
     ("befool", False),     ("ｉdiot", True), ("bad  apple", True), ("bad", False)],
)  # fmt: skip
def test_whole_words_of_any_case(text: str, is_found: bool) -> None:
    check = WordsCheck(["idiot", "fool*", "bad apple"])
    assert bool(check.judge_request([text])) is is_found
    assert bool(check.judge_piece(text, len(text))) is is_found


def test_words_are_looked_for_where_it_is_asked() -> None:
    requests, answers = WordsCheck(["idiot"], answers=False), WordsCheck(["idiot"], requests=False)
    assert requests.judge_request(["idiot"]) and not requests.judge_piece("idiot", 5)
    assert answers.judge_piece("idiot", 5) and not answers.judge_request(["idiot"])


def test_lengths() -> None:
    check = LengthCheck(request_chars=5, answer_chars=3)
    assert check.judge_request(["abc", "de"]) == "" and check.judge_piece("abc", 3) == ""
    assert check.judge_request(["abc", "def"]) == "6 characters where 5 are allowed"
    assert check.judge_piece("d", 4) == "more than 3 characters"
    assert LengthCheck().judge_request(["a" * 99]) == LengthCheck().judge_piece("a", 99) == ""


@pytest.mark.parametrize(
    "text",
    ["It says zebra-4711-kettle.", "ZEBRA 4711 KETTLE", "z e b r a 4 7 1 1 k e t t l e", "elttek-1174-arbez",
     base64.b64encode(b"zebra-4711-kettle and more").decode()],
)  # fmt: skip
def test_a_canary_is_found_however_it_is_written(text: str) -> None:
    assert CanaryCheck(["zebra-4711-kettle"]).judge_piece(text, len(text)) == "a canary of the system prompt"


def test_without_its_canary_an_answer_passes() -> None:
    assert CanaryCheck(["zebra-4711-kettle"]).judge_piece("zebra kettle", 12) == ""


@pytest.mark.parametrize("canary", ["zebra-4711-kettle", "zebra-4711-kettl", "zebra-4711-kett", "abcdefghijkl"])
@pytest.mark.parametrize("after", ["", "!", "xy", " and more"])
def test_a_canary_is_found_in_base_64_whatever_follows_it(canary: str, after: str) -> None:
    text = base64.b64encode((canary + after).encode()).decode()
    assert CanaryCheck([canary]).judge_piece(text, len(text)) == "a canary of the system prompt"
    other = base64.b64encode((canary[:-4] + "####" + after).encode()).decode()
    assert CanaryCheck([canary]).judge_piece(other, len(other)) == ""
