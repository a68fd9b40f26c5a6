"""Refusals before admission are counted under words of a fixed list."""

from steward.core.errors import Refused
from steward.gateway.rejections import RejectionCounter


def refusal(code: str | None, status: int = 429) -> Refused:
    return Refused("no", status=status, type="t", code=code, limit="tokens", scope="key")


def test_equal_refusals_come_together_and_are_taken_once() -> None:
    counter = RejectionCounter()
    counter.count_rejection(refusal("rate_limit_exceeded"), "chat")
    counter.count_rejection(refusal("rate_limit_exceeded"), "chat")
    counter.count_rejection(refusal("rate_limit_exceeded"), "")
    tally = counter.take(7.0)
    assert tally is not None and (tally.at, tally.meter) == (7.0, "turned_away")
    labels = (("reason", "rate_limit_exceeded"), ("route", "chat"), ("limit", "tokens"), ("scope", "key"))
    assert dict(tally.counts)[labels] == 2 and sum(count for _, count in tally.counts) == 3
    assert counter.take(8.0) is None


def test_a_code_of_others_counts_under_its_status_class() -> None:
    counter = RejectionCounter()
    counter.count_rejection(refusal("a code that an upstream invented", 503), "chat")
    counter.count_rejection(refusal(None, 400), "chat")
    tally = counter.take(0.0)
    assert tally is not None and [dict(labels)["reason"] for labels, _ in tally.counts] == ["5xx", "4xx"]
