import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.gateway.sse import Scanner, check_size, event_data, is_whole_event

STREAM = (
    'data: {"id":"x","choices":[{"delta":{"content":"é"}}]}\n\n'
    ": comment\n\n"
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\n'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    "data: [DONE]\n\n"
).encode()


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=12))
def test_every_chunking_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    scanner = Scanner()
    events = [event for a, b in itertools.pairwise(edges) for event in scanner.feed(STREAM[a:b])]
    assert b"".join(events) == STREAM and len(events) == 5
    for event in events:
        scanner.inspect(event)
    assert scanner.done and scanner.finished and not scanner.failed and scanner.upstream_id == "x"
    assert scanner.usage and (scanner.usage.prompt_tokens, scanner.usage.completion_tokens) == (3, 4)


@given(st.binary())
def test_noise_never_raises(noise: bytes) -> None:
    scanner = Scanner()
    for event in scanner.feed(noise + b"\n\n"):
        scanner.inspect(event)


def test_errors_are_seen_but_not_null_ones() -> None:
    scanner = Scanner()
    scanner.inspect(b'data: {"error":null}\n\n')
    assert not scanner.failed
    scanner.inspect(b'data: {"error":{"message":"m"}}\n\n')
    assert scanner.failed


def test_data_lines_are_joined() -> None:
    assert json.loads(event_data(b'event: m\ndata: {"a":\ndata: 1}\n\n')) == {"a": 1}


@given(st.lists(st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n"]), max_size=6), st.integers(1, 5))
def test_line_ends_may_be_mixed_and_cut(ends: list[str], step: int) -> None:
    data = "".join(f"data: {number}{end}" for number, end in enumerate(ends)).encode()
    scanner = Scanner()
    events = [event for at in range(0, len(data), step) for event in scanner.feed(data[at : at + step])]
    events += scanner.end()
    assert [event_data(event) for event in events] == [str(number).encode() for number in range(len(ends))]


@given(st.text(alphabet="ab\n", max_size=12))
def test_the_short_way_finds_what_the_long_one_does(text: str) -> None:
    """A CR in a first event of its own keeps the scanner on the long way."""
    data = text.encode() + b"\n\n"
    short, long = Scanner(), Scanner()
    assert short.feed(data) == long.feed(b":\r\n\r\n" + data)[1:] and short.rest == long.rest


PARTS = (
    '"id":"b"',
    '"choices":[{"delta":{"content":"ö"},"finish_reason":null}]',
    '"finish_reason" : "stop"',
    '"finish_reason":"length"',
    '"finish_reason": null',
    '"usage":null',
    '"usage": {"prompt_tokens":1}',
    '"error":null',
    '"error":{"message":"x"}',
    '"a":"\\n"',
    '"b":"[DONE]"',
)


@given(
    st.lists(st.sampled_from(PARTS), max_size=4),
    st.sampled_from(["\n\n", "\r\n\r\n", "\n", "\n\n\n", "\n\ndata: {}\n\n"]),
)
def test_what_is_plain_tells_metering_nothing(parts: list[str], ending: str) -> None:
    piece = ("data: {" + ",".join(parts) + "}" + ending).encode()
    scanner, fresh = Scanner(), Scanner()
    for each in (scanner, fresh):
        each.upstream_id = "a"
    if not scanner.is_plain(piece):
        return
    assert fresh.feed(piece) == [piece] and not fresh.rest
    fresh.inspect(piece)
    known = ("usage", "upstream_id", "answered_by", "failed", "finishes", "shortened", "done", "only_usage")
    assert [getattr(fresh, name) for name in known] == [getattr(scanner, name) for name in known]
    assert fresh.is_output(piece)


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from('ab "\\\n\r\té{},:'), max_size=6),
            st.sampled_from(["null", '"stop"', "null}]," + '"usage":{"a":1},"x":[{"y":0']),
        ),
        max_size=8,
    )
)
def test_a_remembered_frame_judges_as_a_first_look_does(events: list[tuple[str, str]]) -> None:
    remembering = Scanner()
    remembering.upstream_id = "a"
    for text, finish in events:
        piece = f'data: {{"choices":[{{"delta":{{"content":"{text}"}},"finish_reason":{finish}}}]}}\n\n'.encode()
        fresh = Scanner()
        fresh.upstream_id = "a"
        assert remembering.is_plain(piece) == fresh.is_plain(piece)


def test_a_frame_is_learned_from_a_few_events_only_and_ends_with_the_stream() -> None:
    scanner = Scanner()
    scanner.upstream_id = "a"
    plain = b'data: {"n":%d,"choices":[{"delta":{"content":"x"}}]}\n\n'
    assert all(scanner.is_plain(plain % number) for number in range(9))
    assert scanner.is_plain(plain % 3) and not scanner.is_plain(b'data: {"n":3,"choices":[{"delta":{"content":""}}]}\n')
    assert not scanner.is_plain(b'data: {"choices":[{"delta":{"tool_calls":[]}}]}\n\n')
    scanner.feed(b"da")
    assert not scanner.is_plain(plain % 3)
    scanner.feed(b"ta: [DONE]\n\n")
    scanner.inspect(b"data: [DONE]\n\n")
    assert scanner.done and not scanner.is_plain(plain % 3)


def test_a_usual_event_is_plain_once_the_answer_has_a_name() -> None:
    event = b'data: {"id":"a","choices":[{"delta":{"content":"x"},"finish_reason":null}],"usage":null}\n\n'
    scanner = Scanner()
    assert not scanner.is_plain(event)
    scanner.inspect(event)
    assert scanner.is_plain(event)


def test_usage_may_be_anywhere() -> None:
    scanner = Scanner()
    scanner.inspect(b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n')
    assert scanner.usage and scanner.usage.completion_tokens == 4 and not scanner.only_usage
    scanner.inspect(b'data: {"choices":[],"x_groq":{"usage":{"completion_tokens":5}}}\n\n')
    assert scanner.usage.completion_tokens == 5
    scanner.inspect(b'data: {"choices":[{"delta":{},"usage":{"completion_tokens":6}}]}\n\n')
    assert scanner.usage.completion_tokens == 6
    scanner.inspect(b'data: {"choices":[{"delta":{"content":"\\"usage\\"","x":"usage"}}],"usage":null}\n\n')
    assert scanner.usage.completion_tokens == 6  # a word about it is none


def test_the_tier_of_an_earlier_event_is_that_of_the_usage() -> None:
    """OpenAI names it in each event of a stream; others in the first one only."""
    scanner = Scanner()
    scanner.inspect(b'data: {"choices":[{"delta":{}}],"service_tier":"flex"}\n\n')
    scanner.inspect(b'data: {"choices":[],"usage":{"completion_tokens":4}}\n\n')
    assert scanner.usage is not None and scanner.usage.service_tier == "flex"


def test_what_is_no_event_is_told_apart() -> None:
    assert (
        is_whole_event(b'data: {"a":1}\n\n')
        and is_whole_event(b": comment\n\n")
        and is_whole_event(b"event: x\ndata: {}\r\n\r\n")
    )
    assert not is_whole_event(b'data: {"a"\n\n') and not is_whole_event(b"data: <html>\n\n")


def test_an_event_may_have_4_mib() -> None:
    scanner = Scanner()
    assert scanner.feed(b"x" * (4 << 20)) == []
    with pytest.raises(ValueError, match="an event of over 4194304 bytes"):
        scanner.feed(b"x")


def test_data_is_what_follows_the_field_and_one_blank() -> None:
    """WHATWG HTML, 9.2.6: a single space after the colon is left out."""
    assert event_data(b"data:a\ndata: b\ndata:  c\nid: 1\n\n") == b"a\nb\n c"


def test_an_answer_has_ended_once_a_choice_said_why() -> None:
    scanner = Scanner()
    assert not scanner.finished and not scanner.shortened
    scanner.inspect(b'data: {"choices":[{"finish_reason":"stop"}]}\n\n')
    assert scanner.finished and not scanner.shortened
    scanner.inspect(b'data: {"choices":[{"finish_reason":"length"},{"finish_reason":"stop"}]}\n\n')
    assert scanner.finishes == 3 and scanner.shortened
    scanner.inspect(b'data: {"choices":[{"finish_reason":"stop"}]}\n\n')
    assert scanner.shortened  # for good


def test_the_model_that_answered_is_known_from_the_first_event_that_says_it() -> None:
    scanner = Scanner()
    scanner.inspect(b'data: {"model":"m","system_fingerprint":"fp"}\n\n')
    assert scanner.answered_by == "m fp"
    scanner.inspect(b'data: {"id":"x"}\n\n')
    assert scanner.answered_by == "m fp" and scanner.upstream_id == "x"


def test_usage_alone_and_the_end_are_no_output() -> None:
    scanner = Scanner()
    for event, is_output in (
        (b'data: {"id":"a","choices":[{"delta":{"content":"x"}}]}\n\n', True),
        (b'data: {"choices":[],"usage":{"completion_tokens":4}}\n\n', False),
        (b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n', True),
        (b"data: [DONE]\n\n", False),
    ):
        scanner.inspect(event)
        assert scanner.is_output(event) is is_output


def test_a_word_about_an_error_is_plain_output() -> None:
    scanner = Scanner()
    scanner.upstream_id = "a"
    assert scanner.is_plain(b'data: {"choices":[{"delta":{"content":"an \\"error\\" of"}}]}\n\n')
    assert scanner.is_plain(b'data: {"error":null,"usage":null}\n\n')
    assert not scanner.is_plain(b'data: {"error":"x"}\n\n') and not scanner.is_plain(b'data: {"usage":{}}\n\n')


def test_a_long_event_has_at_most_4_mib_and_50_000_values_or_lines() -> None:
    """A shorter one than 64 KiB is not measured: it can have no more than its bytes."""
    longest = b"x" * (4 << 20)
    assert check_size(longest) is longest
    with pytest.raises(ValueError, match="over 4194304 bytes"):
        check_size(longest + b"x")
    parts = b"," * 50_000 + b"x" * 20_000
    assert check_size(parts) is parts
    with pytest.raises(ValueError, match="over 50000 values or lines"):
        check_size(b"," * 50_001 + b"x" * 20_000)
    short = b"," * 65_535
    assert check_size(short) is short
    with pytest.raises(ValueError, match="over 50000 values"):
        check_size(b"," * 65_536)
