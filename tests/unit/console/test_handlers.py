from __future__ import annotations

import pytest

from steward.console.handlers import describe_problem, with_reason
from steward.console.shell import FormTooLarge
from steward.core.errors import Exhausted, InputError, Refused, StewardError, Unavailable, UnknownName
from steward.core.identity import Principal

ANNA = Principal(kind="person", id="anna")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("name: empty"), 400, "name: empty"),
        (UnknownName("key", "a", []), 404, "unknown key 'a'. Known: none"),
        (Refused("not yours", status=403, type="t"), 403, "not yours"),
        (FormTooLarge("the form is larger than 9 bytes"), 413, "Nothing was changed: the form is larger than 9 bytes."),
        (Unavailable("no store"), 503, "Nothing was changed: no store. Try again when that is mended."),
        (Exhausted("the disk is full"), 503, "Nothing was changed: the disk is full. Try again when that is mended."),
    ],
)
def test_a_problem_has_its_status_and_says_what_happened(
    error: FormTooLarge | StewardError, code: int, words: str
) -> None:
    assert describe_problem(error) == (words, code)


def test_a_reason_goes_with_whoever_gives_it() -> None:
    assert with_reason(ANNA, {"reason": " ticket 7 "}).reason == "ticket 7"
    assert with_reason(ANNA, {"reason": " "}) is ANNA and with_reason(ANNA, {}) is ANNA
    assert with_reason(ANNA, {"reason": "x" * 1000}).reason == "x" * 1000
    with pytest.raises(InputError, match="1,001 characters; expected at most 1,000"):
        with_reason(ANNA, {"reason": "x" * 1001})
