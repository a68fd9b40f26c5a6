"""A service that finds: its request, the two shapes of reply, and everything else as a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from json_service import JsonService, serve_json
from steward.adapters.detectors.http import HttpDetector
from steward.core.errors import InputError, Unavailable
from steward.core.extend import DetectedSpan

REPLIES: dict[str, tuple[int, object]] = {
    "/own": (200, {"findings": [{"start": 4, "end": 7, "entity": "PERSON", "score": 0.8}, {"start": 0, "end": 3}]}),
    # As the REST server of presidio-analyzer 2.2 documents it.
    "/analyze": (200, [{"start": 4, "end": 7, "entity_type": "PERSON", "score": 0.85, "analysis_explanation": None}]),
    "/nothing": (200, {"findings": []}),
    "/wrong": (200, {"found": []}),
    "/words": (200, "none"),
    "/broken": (500, {"error": "ask Bob"}),
}


@pytest.fixture(scope="module")
def service() -> Iterator[JsonService]:
    with serve_json(REPLIES) as service:
        yield service


@pytest.fixture
def address(service: JsonService) -> str:
    return service.address


def test_both_shapes_of_reply_are_read(service: JsonService, address: str) -> None:
    own = list(HttpDetector(f"{address}/own", "de", 10.0).detect("ask Bob"))
    assert own == [DetectedSpan(4, 7, "PERSON", 0.8), DetectedSpan(0, 3)]
    assert service.asked == {"text": "ask Bob", "language": "de"}
    assert list(HttpDetector(f"{address}/analyze", "en", 10.0).detect("ask Bob")) == [
        DetectedSpan(4, 7, "PERSON", 0.85)
    ]
    assert list(HttpDetector(f"{address}/nothing", "en", 10.0).detect("ask Bob")) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [("/wrong", "no findings with start and end"), ("/words", "no findings"), ("/broken", "answered HTTP 500")],
)
def test_any_other_reply_is_a_failure_that_repeats_no_text(address: str, path: str, problem: str) -> None:
    with pytest.raises(Unavailable, match=problem) as caught:
        list(HttpDetector(f"{address}{path}", "en", 10.0).detect("ask Bob"))
    assert "Bob" not in str(caught.value)


def test_a_service_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(Unavailable, match="could not be reached"):
        list(HttpDetector("http://127.0.0.1:1/find", "en", 10.0).detect("ask Bob"))


def test_an_address_has_a_scheme() -> None:
    with pytest.raises(InputError, match="expected http"):
        HttpDetector("localhost:9/find", "en", 10.0)


def test_a_service_that_hangs_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(request: object, timeout_s: float) -> None:
        raise TimeoutError("s3cret")

    monkeypatch.setattr("steward.adapters.detectors.http.open_url", hang)
    with pytest.raises(Unavailable, match=r"could not be reached \(TimeoutError\)"):
        list(HttpDetector("http://127.0.0.1:1/find", "en", 1.0).detect("x"))


def test_a_service_that_is_not_there_is_named_by_its_reason() -> None:
    with pytest.raises(Unavailable, match=r"could not be reached \(.*refused\)"):
        list(HttpDetector("http://127.0.0.1:1/find", "en", 1.0).detect("x"))
