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
        ("ttft_ms", True), ("usd", -0.01), ("input_tokens", "9"), ("model", 5), ("refused", "no"), ("prompt_chars", -1),
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
