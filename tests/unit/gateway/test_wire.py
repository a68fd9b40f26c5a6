import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Refused
from steward.gateway.output_limits import declared_maximum
from steward.gateway.wire import (
    RandomDigits,
    decode_answer,
    decode_request,
    error_body,
    error_event,
    is_credible,
    name_version,
    new_request_id,
    rename_field,
    request_usage,
    rewrite,
    write_whole_numbers,
)

CHAT = "/v1/chat/completions"


@given(st.binary())
def test_noise_is_refused_with_400(noise: bytes) -> None:
    try:
        decode_request(CHAT, noise)
    except Refused as error:
        assert error.status == 400 and json.loads(error_body(error))["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(("endpoint", "field"), [("/v1/chat/completions", "messages"), ("/v1/embeddings", "input")])
def test_null_is_as_good_as_missing(endpoint: str, field: str) -> None:
    with pytest.raises(Refused, match=f"Missing required parameter: '{field}'"):
        decode_request(endpoint, f'{{"model":"m","{field}": null}}'.encode())


@pytest.mark.parametrize(
    ("prompt", "more", "choices"),
    [
        ('"a"', "", 1),
        ('["a", "b", "c"]', ', "n": 2', 6),
        ("[[1, 2], [3]]", "", 2),
        ("[1, 2, 3]", "", 1),  # one prompt, in tokens
        ("[]", "", 1),
        ('"a"', ', "n": 1, "best_of": 20', 20),
    ],
)
def test_what_a_completion_may_cost_counts_prompts_and_best_of(prompt: str, more: str, choices: int) -> None:
    body = f'{{"model": "m", "max_tokens": 10, "prompt": {prompt}{more}}}'.encode()
    assert declared_maximum(decode_request("/v1/completions", body), "/v1/completions") == 10 * choices
    with pytest.raises(Refused, match="best_of must be between 1 and 128"):
        decode_request("/v1/completions", b'{"model": "m", "prompt": "a", "best_of": 129}')


def test_param_names_the_wrong_field() -> None:
    with pytest.raises(Refused) as caught:
        decode_request(CHAT, b'{"model": 3, "messages": []}')
    assert caught.value.param == "model"


def test_rewrite_changes_only_what_it_must() -> None:
    body = b'{"model":"a","x":1.50,"messages":[{"content":"\\u00e9"}]}'
    assert rewrite(body, {"model": "b"}) == body.replace(b'"a"', b'"b"')


def test_answers_without_usage() -> None:
    assert decode_answer(b"<html>").usage is None
    usage = decode_answer(b'{"usage":{"prompt_tokens":1}}').usage
    assert usage and usage.prompt_tokens == 1


def test_stream_options_of_the_client_stay() -> None:
    assert json.loads(request_usage(b'{"stream_options":{"a":1}}')) == {
        "stream_options": {"a": 1, "include_usage": True}
    }
    assert json.loads(request_usage(b'{"stream_options":null}')) == {"stream_options": {"include_usage": True}}


def test_anthropics_user_and_every_declared_maximum_are_read() -> None:
    body = b'{"model":"m","max_tokens":7,"messages":[],"system":"abcd","metadata":{"user_id":"u"}}'
    request = decode_request("/v1/messages", body)
    assert (request.user, declared_maximum(request, "/v1/messages"), request.content_bytes()) == ("u", 7, 8)
    request = decode_request("/v1/responses", b'{"model":"m","input":"","max_output_tokens":3}')
    assert declared_maximum(request, "/v1/responses") == 3


def bounds(name: str, value: int, endpoint: str = CHAT) -> str | None:
    """What is said against a count; None: nothing."""
    body = {"model": "m", "messages": [], "prompt": "a", name: value}
    try:
        decode_request(endpoint, json.dumps(body).encode())
    except Refused as error:
        assert error.param == name
        return error.code
    return None


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_a_maximum_is_from_1_to_ten_million(name: str) -> None:
    below, above = "integer_below_min_value", "integer_above_max_value"  # OpenAI's codes
    assert [bounds(name, value) for value in (0, 1, 10_000_000, 10_000_001)] == [below, None, None, above]
    assert [bounds(name, value, "/v1/completions") for value in (-1, 0)] == [
        below,
        None,
    ]  # a prompt may be echoed alone


@pytest.mark.parametrize("name", ["n", "best_of"])
def test_answers_are_1_to_128(name: str) -> None:
    assert [bounds(name, value) for value in (0, 1, 128, 129)] == [
        "integer_below_min_value", None, None, "integer_above_max_value"
    ]  # fmt: skip


def test_a_number_is_told_at_a_readable_length() -> None:
    for number, words in ((10**20 - 1, "99999999999999999999"), (10**20, "a number of 67 bits")):
        with pytest.raises(Refused, match=f"not {words}"):
            decode_request(CHAT, f'{{"model":"m","messages":[],"n":{number}}}'.encode())


def test_a_request_id_sorts_by_the_millisecond_and_is_random() -> None:
    """2026-01-01T12:00:00Z is 1,767,268,800 s, in hexadecimal milliseconds 19b796dd600."""
    first, second = new_request_id(1767268800.0), new_request_id(1767268800.001)
    assert first[:15] == "req_19b796dd600" and second[:15] == "req_19b796dd601" and len(first) == 28
    assert len({new_request_id(0.0) for _ in range(1000)}) == 1000


def test_random_digits_come_thirteen_at_a_time_and_never_twice() -> None:
    digits = RandomDigits()
    drawn = [digits.take() for _ in range(600)]
    assert all(len(each) == 13 and int(each, 16) >= 0 for each in drawn) and len(set(drawn)) == 600


def test_a_count_that_one_request_cannot_have_used_is_not_believed() -> None:
    most = 10_000_000 * 128  # the longest answer, as often as can be asked for
    assert [is_credible(count) for count in (-1, 0, most, most + 1)] == [False, True, True, False]


def test_a_version_is_the_models_name_and_its_fingerprint() -> None:
    assert name_version("gpt-4o-2024-08-06", "fp_1") == "gpt-4o-2024-08-06 fp_1"
    assert (name_version("llama", None), name_version(None, "fp_1"), name_version("", "")) == ("llama", None, None)


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert write_whole_numbers(b'{"max_tokens":1e2,"n":1}') == b'{"max_tokens":100,"n":1}'
    assert write_whole_numbers(b'{"max_tokens":100 ,"n":null}') == b'{"max_tokens":100 ,"n":null}'
    for value in ("1.5", "true", '"5"'):
        with pytest.raises(Refused, match="'n' must be a whole number") as error:
            write_whole_numbers(f'{{"n":{value}}}'.encode())
        assert error.value.code == "invalid_type"
    long = '"' + "x" * 100 + '"'
    with pytest.raises(Refused) as error:
        write_whole_numbers(f'{{"n":{long}}}'.encode())
    assert error.value.message == f"'n' must be a whole number, not {long[:99]}…."


def test_only_anthropics_endpoint_has_a_user_in_its_metadata() -> None:
    body = b'{"model":"m","max_tokens":7,"messages":[],"metadata":{"user_id":"u"}}'
    assert decode_request("/v1/messages", body).user == "u" and decode_request(CHAT, body).user is None
    assert decode_request("/v1/messages", b'{"model":"m","max_tokens":7,"messages":[],"x":"user_id"}').user is None


def test_a_field_that_is_missing_or_no_text_is_named() -> None:
    for body, param in ((b"{}", "model"), (b'{"model":"m","messages":[],"user":5}', "user")):
        with pytest.raises(Refused) as error:
            decode_request(CHAT, body)
        assert error.value.param == param
    with pytest.raises(Refused, match="not valid UTF-8: invalid start byte at byte 29"):
        decode_request(CHAT, b'{"model":"m","messages":[" a \xff"]}')


def test_a_field_gets_another_name() -> None:
    assert rename_field(b'{"a":1,"b":2.50}', "b", "c") == b'{"a":1,"c":2.50}'


def test_completions_of_a_list_count_each_prompt() -> None:
    def choices(**more: object) -> int:
        return decode_request("/v1/completions", json.dumps({"model": "m", "prompt": "a", **more}).encode()).choices()

    assert [choices(), choices(n=3), choices(best_of=4, n=3), choices(prompt=["a", "b"], n=3)] == [1, 3, 4, 6]
    assert decode_request(CHAT, b'{"model":"m","messages":[],"n":5}').choices() == 5
    assert decode_request(CHAT, b'{"model":"m","messages":[]}').choices() == 1


@pytest.mark.parametrize(
    ("text", "half", "at"),
    [
        (rb"\ud83d", r"\ud83d", 24),
        (rb"ab\uD83D cd", r"\uD83D", 26),
        (rb"\ude00", r"\ude00", 24),
        (rb"\ud83d\ude00\ud83d", r"\ud83d", 36),
        (rb"\\\ud83d", r"\ud83d", 26),
    ],
)
def test_half_of_a_character_is_named_where_it_stands(text: bytes, half: str, at: int) -> None:
    """What JavaScript sends of "😀".slice(0, 1) (RFC 8259, section 8.2)."""
    with pytest.raises(Refused) as caught:
        decode_request("/v1/completions", b'{"model":"m","prompt":"%b"}' % text)
    assert f"has {half} at byte {at - 1}, which is half of a character" in caught.value.message


def test_a_whole_character_in_escapes_is_read() -> None:
    request = decode_request("/v1/completions", rb'{"model":"m","prompt":"\ud83d\ude00 \\ud83d"}')
    assert request.model == "m"


def test_an_error_in_a_stream_is_an_event_and_the_streams_end() -> None:
    first, second, rest = error_event(Refused("no", status=503, type="api_error")).split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["error"]["message"] == "no"
    assert (second, rest) == (b"data: [DONE]", b"")


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        (b'{"usage":{"prompt_tokens":1},"service_tier":"flex"}', "flex"),
        (b'{"usage":{"prompt_tokens":1}}', None),
        (b'{"usage":{"prompt_tokens":1},"service_tier":null}', None),
    ],
)
def test_an_answers_tier_is_what_its_usage_is_priced_by(body: bytes, tier: str | None) -> None:
    usage = decode_answer(body).usage
    assert usage is not None and usage.service_tier == tier
    assert decode_answer(b'{"service_tier":"flex"}').usage is None
