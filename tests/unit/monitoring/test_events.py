"""What a line says, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.monitoring.events import MAX_LINE_BYTES, Event, ReadCount, read_event, read_events


def line(**fields: object) -> bytes:
    return json.dumps({"at": 1000.0, **fields}).encode()


def test_missing_and_null_are_not_known_and_unknown_fields_are_ignored() -> None:
    assert read_event(line(score=None, colour="red")) == Event(at=1000.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", 7), ("score", -1.01), ("score", "good"), ("latency_ms", -1), ("latency_ms", 1e308),
        ("ttft_ms", True), ("usd", -0.01), ("usd", "x"), ("model", 5), ("refused", "no"), ("prompt_chars", -1),
        ("output_tokens", -3), ("tool_calls", -1), ("ttft_ms", 1e12), ("route", ""),
    ],
)  # fmt: skip
def test_an_impossible_value_is_not_known_and_the_rest_of_the_line_is(field: str, value: object) -> None:
    event = read_event(line(**{"key": "k", field: value}))
    assert event is not None and getattr(event, field) is None and event.key == "k"


@pytest.mark.parametrize(("score"), [-1, 0, 1])
def test_the_ends_of_a_score_are_scores(score: int) -> None:
    event = read_event(line(score=score))
    assert event is not None and event.score == score


def test_times_as_text_are_utc_where_they_name_no_zone() -> None:
    for text in ("1970-01-01T00:16:40", "1970-01-01T00:16:40Z", "1970-01-01T01:16:40+01:00"):
        event = read_event(json.dumps({"at": text}).encode())
        assert event is not None and event.at == 1000.0


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"route": "r"}', b'{"at": "soon"}', b'{"at": -5}', b'{"at": 1e300}'])
def test_no_event(text: bytes) -> None:
    assert read_event(text) is None


def test_a_line_has_an_end() -> None:
    assert read_event(line(key="k" * MAX_LINE_BYTES)) is None


def test_unreadable_lines_are_counted_with_the_first(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(line() + b"\n\nnonsense\n" + line() + b"\nmore\n")
    count = ReadCount()
    assert len(list(read_events(path, count))) == 2
    assert (count.events, count.unreadable, count.first_unreadable) == (2, 2, 3)


def test_a_file_without_events_says_what_one_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text("at,route\n1,2\n")
    with pytest.raises(
        InputError, match=r'e.jsonl:1: no event in 2 lines; expected one JSON object a line such as \{"at"'
    ):
        list(read_events(path, ReadCount()))
    with pytest.raises(InputError, match="No such file"):
        list(read_events(tmp_path / "none", ReadCount()))


def test_a_vector_is_known_or_not() -> None:
    event = read_event(b'{"at": 1, "embedding": [0.5, -2], "embedder": "m"}')
    assert event is not None and event.embedding == (0.5, -2.0) and event.embedder == "m"
    for odd in ("[]", "[1, null]", '["1"]', "[true]", "[1e300]", "7", '"text"', "{}"):
        other = read_event(b'{"at": 1, "latency_ms": 5, "embedding": %s}' % odd.encode())
        assert other is not None and other.embedding is None and other.latency_ms == 5.0, odd


def test_nan_as_python_writes_it_costs_the_field_and_not_the_line() -> None:
    event = read_event(b'{"at": 1, "latency_ms": NaN, "score": -Infinity, "usd": 2, "embedding": [NaN]}')
    assert event is not None and (event.latency_ms, event.score, event.usd) == (None, None, 2.0)
    assert event.embedding is None
    assert read_event(b'{"at": NaN}') is None and read_event(b"[NaN]") is None and read_event(b"NaN") is None


def test_numbers_in_quotes_are_numbers() -> None:
    event = read_event(b'{"at": "1764547200.5", "latency_ms": "900", "status": "502", "usd": "much", "score": "NaN"}')
    assert event is not None and (event.at, event.latency_ms, event.status) == (1764547200.5, 900.0, 502)
    assert event.usd is None and event.score is None


def test_a_byte_order_mark_costs_no_line(tmp_path: Path) -> None:
    file, count = tmp_path / "e.jsonl", ReadCount()
    file.write_bytes(b'\xef\xbb\xbf{"at": 1}\r\n{"at": 2}\n')
    assert [event.at for event in read_events(file, count)] == [1.0, 2.0] and count.unreadable == 0
    file.write_bytes(b"\xef\xbb\xbf")
    assert list(read_events(file, count)) == []


@pytest.mark.parametrize(("size", "is_known"), [(16_384, True), (16_385, False)])
def test_a_vector_has_at_most_16384_numbers(size: int, is_known: bool) -> None:
    event = read_event(json.dumps({"at": 1, "embedding": [0.5] * size}).encode())
    assert event is not None and (event.embedding is not None) == is_known


@pytest.mark.parametrize(("number", "known"), [(999_999_999_999, 999_999_999_999.0), (1_000_000_000_001, None)])
def test_a_duration_of_30_years_is_believed_and_more_is_not(number: int, known: float | None) -> None:
    event = read_event(b'{"at": 1, "latency_ms": %d}' % number)
    assert event is not None and event.latency_ms == known
