"""A service and a model that judge: what they are asked, and what counts as a verdict.

Verdicts of the model are those of
the card of Llama Guard 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from json_service import JsonService, serve_json
from steward.adapters.judges.model import ModelJudge, read_verdict
from steward.adapters.judges.service import ServiceJudge
from steward.core.errors import InputError, Unavailable

REPLIES: dict[str, tuple[int, object]] = {
    "/allow": (200, {"allow": True}),
    "/refuse": (200, {"allow": False, "reason": "gambling"}),
    "/quote": (200, {"allow": False, "reason": "he said: I will bet 500 EUR"}),
    "/silent": (200, {"reason": "gambling"}),
    "/broken": (503, {"allow": True}),
    "/safe": (200, {"choices": [{"message": {"role": "assistant", "content": "\n\nsafe"}}]}),
    "/unsafe": (200, {"choices": [{"message": {"content": "\n\nunsafe\nS2,S10"}}]}),
    "/empty": (200, {"choices": []}),
}


@pytest.fixture(scope="module")
def service() -> Iterator[JsonService]:
    with serve_json(REPLIES) as service:
        yield service


@pytest.fixture
def address(service: JsonService) -> str:
    return service.address


def test_a_service_allows_or_gives_a_reason_that_quotes_nothing(service: JsonService, address: str) -> None:
    assert ServiceJudge(f"{address}/allow", "", 10.0).judge("request", ["a"]) == ""
    assert service.asked == {"direction": "request", "texts": ["a"]} and service.key is None
    assert ServiceJudge(f"{address}/refuse", "", 10.0).judge("answer", ["a"], ["b"]) == "gambling"
    assert service.asked == {"direction": "answer", "texts": ["a"], "request": ["b"]}
    assert ServiceJudge(f"{address}/quote", "", 10.0).judge("request", ["a"]) == "what the guard's service refuses"


@pytest.mark.parametrize(
    ("path", "problem"), [("/silent", "no verdict"), ("/broken", "HTTP 503"), ("/safe", "no verdict")]
)
def test_whatever_is_no_verdict_of_a_service_is_a_failure(address: str, path: str, problem: str) -> None:
    with pytest.raises(Unavailable, match=problem):
        ServiceJudge(f"{address}{path}", "", 10.0).judge("request", ["a"])


def test_a_judge_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(Unavailable, match="could not be reached"):
        ServiceJudge("http://127.0.0.1:1/judge", "", 10.0).judge("request", ["a"])


def test_a_key_is_resolved_when_it_is_used(service: JsonService, address: str, tmp_path: Path) -> None:
    judge = ServiceJudge(f"{address}/allow", f"file:{tmp_path}/key", 10.0)
    with pytest.raises(InputError):
        judge.judge("request", ["a"])
    (tmp_path / "key").write_text("sk-1\n")
    assert judge.judge("request", ["a"]) == "" and service.key == "Bearer sk-1"


def test_a_model_is_shown_the_conversation(service: JsonService, address: str) -> None:
    assert ModelJudge(f"{address}/safe", "lg", "", 10.0).judge("request", ["a", "b"]) == ""
    assert service.asked == {
        "model": "lg", "messages": [{"role": "user", "content": "a\n\nb"}], "temperature": 0, "max_tokens": 64
    }  # fmt: skip
    assert (
        ModelJudge(f"{address}/unsafe", "lg", "", 10.0).judge("answer", ["c"], ["a"])
        == "content of the categories S2 S10"
    )
    assert service.asked["messages"] == [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]
    with pytest.raises(Unavailable):
        ModelJudge(f"{address}/empty", "lg", "", 10.0).judge("request", ["a"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("safe", ""),
        (" Safe\n", ""),
        ("unsafe\nS1", "content of the categories S1"),
        ("unsafe\nS1, S14", "content of the categories S1 S14"),
        ("unsafe", "content that the guard's model calls unsafe"),
    ],
)
def test_verdicts(text: str, reason: str) -> None:
    assert read_verdict(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "safe.",
        "unsafe\nviolence",
        "not safe",
        "safe\nS1",
        "I cannot judge that",
        "unsafe S1",
        "unsafe\nS1,",
        "unsafe\nS123",
    ],
)
def test_an_answer_that_is_no_verdict_is_never_a_pass(text: str) -> None:
    with pytest.raises(Unavailable, match="no verdict"):
        read_verdict(text)
