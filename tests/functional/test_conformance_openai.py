"""The official OpenAI SDK against a gateway whose upstream fails in every way that one can."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from conftest import inside, until
from functional.conformance import HI, TEXT, Conformance, conformance


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conformance]:
    yield from conformance(tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="module")
def client(it: Conformance) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{it.url}/v1", api_key=it.key, max_retries=0) as made:
        yield made


def said(client: openai.OpenAI, model: str, **more: Any) -> str:
    chunks = client.chat.completions.create(model=model, messages=HI, stream=True, **more)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.parametrize("model", ["good", "split", "crlf", "slow-first", "renamed"])
def test_streams_arrive_whole(client: openai.OpenAI, model: str) -> None:
    assert said(client, model) == TEXT


def test_usage_is_asked_for_and_stripped_again(client: openai.OpenAI, it: Conformance) -> None:
    options: Any = {"include_obfuscation": False}
    chunks = list(client.chat.completions.create(model="good", messages=HI, stream=True, stream_options=options))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert json.loads(it.last()["body"])["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_usage_is_in_the_last_chunk_where_asked(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="good", messages=HI, stream=True, stream_options={"include_usage": True})
    )
    assert not chunks[-1].choices and chunks[-1].usage and chunks[-1].usage.total_tokens == 17
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_request_that_needs_no_change_keeps_its_bytes(it: Conformance) -> None:
    body = b'{ "model":"good","messages":[],  "x_new_field": 1.50, "n": 1 }'
    assert it.post("/v1/chat/completions", body)[0] == 200
    assert it.last()["body"].encode() == body


def test_unknown_fields_and_logprobs_pass_both_ways(client: openai.OpenAI, it: Conformance) -> None:
    chunks = list(client.chat.completions.create(model="odd", messages=HI, stream=True, extra_body={"y_field": "z"}))
    assert json.loads(it.last()["body"])["y_field"] == "z"
    assert chunks[0].model_extra == {"x_field": 7} and chunks[0].choices[0].delta.model_extra == {"mood": "good"}
    logprobs = chunks[0].choices[0].logprobs
    assert logprobs and logprobs.content and logprobs.content[0].logprob == -0.5


def test_choices_and_tool_calls_stay_apart(client: openai.OpenAI) -> None:
    texts, arguments = {0: "", 1: ""}, {0: "", 1: ""}
    for chunk in client.chat.completions.create(model="two", messages=HI, n=2, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {0: "000102", 1: "101112"}
    for chunk in client.chat.completions.create(model="tools", messages=HI, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function
            arguments[call.index] += call.function.arguments or ""
    assert arguments == {0: '{"city": "Łódź"}', 1: '{"zone": "UTC"}'}


def test_embeddings_and_completions(client: openai.OpenAI) -> None:
    assert client.embeddings.create(model="good", input="x", encoding_format="float").data[0].embedding == [0.5]
    assert client.completions.create(model="good", prompt="x").id


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("error-midstream", "lost a worker"),
        ("truncated", "without a finish_reason"),
        ("done-without-finish", "without a finish_reason"),
        ("malformed", "not a JSON object"),
        ("cut", "finish_reason|JSON|mid-stream"),
        ("stalled", "no next byte of its answer within"),
    ],
)
def test_failures_in_mid_stream_are_errors(client: openai.OpenAI, model: str, says: str) -> None:
    seen: list[str | None] = []
    chunks = client.chat.completions.create(model=model, messages=HI, stream=True)
    with pytest.raises(openai.APIError, match=says):
        seen.extend(chunk.choices[0].delta.content for chunk in chunks)
    assert seen[:2] == ["Grüße ", "aus "]


def test_an_error_in_mid_stream_is_followed_by_done(it: Conformance) -> None:
    for model in ("error-midstream", "truncated", "malformed"):
        status, headers, body = it.post("/v1/chat/completions", {"model": model, "messages": HI, "stream": True})
        assert status == 200 and body.endswith(b"data: [DONE]\n\n") and body.count(b'"error"') == 1
        assert headers["content-type"] == "text/event-stream" and headers["x-accel-buffering"] == "no"


def test_an_error_in_the_first_event_keeps_its_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="context too long"):
        client.chat.completions.create(model="error-first", messages=HI, stream=True)


def test_a_whole_answer_to_a_stream_is_streamed(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="whole-for-stream", messages=HI, stream=True))
    whole = client.chat.completions.create(model="whole-for-stream", messages=HI)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content and text
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == whole.choices[0].finish_reason


@pytest.mark.parametrize(("model", "stream"), [("html", False), ("html", True)])
def test_answers_of_another_kind_are_named(client: openai.OpenAI, model: str, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        list(client.chat.completions.create(model=model, messages=HI, stream=stream))
    assert caught.value.status_code == 502 and caught.value.code == "upstream_malformed"


def test_an_error_page_becomes_an_error_object(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="status 502") as caught:
        client.chat.completions.create(model="proxy-error", messages=HI)
    assert caught.value.type == "api_error"


@pytest.mark.parametrize(
    ("model", "status", "says"),
    [
        ("wrong-key", 502, "rejected the gateway's key"),
        ("redirect", 502, "status 307"),
        ("odd-status", 502, "status 600"),
        ("odd-retry", 429, "plain words"),
        ("bad-utf8", 502, "not UTF-8"),
    ],
)
def test_odd_answers_become_errors_in_openais_shape(it: Conformance, model: str, status: int, says: str) -> None:
    seen, _, body = it.post("/v1/chat/completions", {"model": model, "messages": HI})
    error = json.loads(body)["error"]
    assert seen == status and says in error["message"] and error["type"] and b"sk-ours" not in body
    assert it.last()["path"] == "/v1/chat/completions"  # and not where the redirect leads


def test_invalid_utf8_in_mid_stream_is_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="not UTF-8"):
        list(client.chat.completions.create(model="bad-utf8", messages=HI, stream=True))


def test_an_upstream_that_stays_connected_after_done_has_answered(it: Conformance) -> None:
    status, headers, body = it.post("/v1/chat/completions", {"model": "lingers", "stream": True, "messages": HI})
    assert status == 200 and body.endswith(b"data: [DONE]\n\n") and b'"error"' not in body
    row = until(lambda: settled(it, headers["x-request-id"]))
    assert row["outcome"] == "ok"


def test_an_answer_without_usage_is_billed_by_its_length(it: Conformance) -> None:
    _, headers, _ = it.post("/v1/chat/completions", {"model": "no-usage", "messages": HI})
    row = until(lambda: settled(it, headers["x-request-id"]))
    assert 200 <= row["output_tokens"] <= 300 and row["input_tokens"] > 0  # 200 words, 1,000 bytes


def settled(it: Conformance, request_id: str) -> Any:
    lines = inside("tail", "--json", "-n", "50", "--home", str(it.deployment.home)).stdout.splitlines()
    return next((row for row in map(json.loads, lines) if row["request_id"] == request_id), None)


def test_the_upstreams_word_on_retries_passes(it: Conformance, client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="limited", messages=HI)
    headers = caught.value.response.headers
    assert headers["retry-after-ms"] == "1500" and headers["retry-after"] == "2"
    assert headers["x-upstream-request-id"] == "up_1" and caught.value.request_id != "up_1"


def test_after_the_last_fallback_nobody_retries(it: Conformance) -> None:
    status, headers, _ = it.post("/v1/chat/completions", {"model": "all-down", "messages": HI})
    assert status == 502 and headers["x-should-retry"] == "false"


def test_every_answer_has_a_request_id(it: Conformance, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="good", messages=HI)
    assert answer._request_id and answer._request_id.startswith("req_")
    assert it.post("/nowhere", b"{}")[1]["x-request-id"].startswith("req_")


def test_a_slow_reader_gets_everything(client: openai.OpenAI) -> None:
    length = 0
    for number, chunk in enumerate(client.chat.completions.create(model="flood", messages=HI, stream=True)):
        if number % 500 == 0:
            time.sleep(0.3)
        length += len(chunk.choices[0].delta.content or "")
    assert length == 1500 * 16384


def test_a_reader_who_leaves_ends_the_upstreams_work(it: Conformance, client: openai.OpenAI) -> None:
    before = it.closed()
    with client.chat.completions.create(model="stalled", messages=HI, stream=True) as stream:
        next(iter(stream))
    until(lambda: it.closed() > before, 2)
    until(lambda: "client_closed" in inside("tail", "--home", str(it.deployment.home)).stdout)


def test_responses_whole(client: openai.OpenAI, it: Conformance) -> None:
    answer = client.responses.create(model="good", input="hi", instructions="be kind", max_output_tokens=9)
    assert answer.output_text == TEXT and answer.status == "completed"
    assert answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 5)
    assert answer.usage.input_tokens_details.cached_tokens == 4
    sent = json.loads(it.last()["body"])
    assert it.last()["path"] == "/v1/chat/completions" and sent["max_tokens"] == 9
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


def test_responses_streamed(client: openai.OpenAI) -> None:
    with client.responses.stream(model="good", input="hi") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == TEXT and final.usage and final.usage.total_tokens == 17
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"


TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "d",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}


def test_responses_tools(client: openai.OpenAI, it: Conformance) -> None:
    with client.responses.stream(model="tools", input="hi", tools=[TOOL], tool_choice="required") as stream:
        list(stream)
        final = stream.get_final_response()
    calls = [(item.name, item.arguments, item.call_id) for item in final.output if item.type == "function_call"]
    assert calls == [("weather", '{"city": "Łódź"}', "call_0"), ("clock", '{"zone": "UTC"}', "call_1")]
    asked: Any = [{"role": "user", "content": "hi"}]
    asked += [item.model_dump(exclude_none=True) for item in final.output]
    asked += [{"type": "function_call_output", "call_id": "call_0", "output": "rain"}]
    client.responses.create(model="good", input=asked)
    sent = json.loads(it.last()["body"])["messages"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["call_0", "call_1"]
    assert sent[2] == {"role": "tool", "tool_call_id": "call_0", "content": "rain"}


def test_responses_reasoning_and_incomplete(client: openai.OpenAI) -> None:
    *_, last = client.responses.create(model="thinks", input="hi", stream=True)
    assert last.type == "response.incomplete"
    for answer in (last.response, client.responses.create(model="thinks", input="hi")):
        assert answer.status == "incomplete" and answer.incomplete_details
        assert answer.incomplete_details.reason == "max_output_tokens" and answer.output_text == "So."
        thought = answer.output[0]
        assert thought.type == "reasoning" and thought.content and thought.content[0].text == "hmm "


def test_responses_go_through_where_the_upstream_speaks_them(client: openai.OpenAI, it: Conformance) -> None:
    assert client.responses.create(model="native", input="hi", store=True).id == "resp_up"
    assert it.last()["path"] == "/v1/responses"
    with client.responses.stream(model="native", input="hi") as stream:
        kinds = [event.type for event in stream]
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(("model", "says"), [("truncated", "finish_reason"), ("error-midstream", "lost a worker")])
def test_responses_fail_in_mid_stream(client: openai.OpenAI, model: str, says: str) -> None:
    with pytest.raises(openai.APIError, match=says):
        list(client.responses.create(model=model, input="hi", stream=True))


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input.0.content.0.type"),
        ({"background": True}, "background"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
    ],
)
def test_what_responses_lose_is_refused_by_name(client: openai.OpenAI, more: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "good", "input": "hi", **more})
    assert caught.value.param == param


def test_c3_what_is_only_an_offer_is_dropped_and_named(client: openai.OpenAI, it: Conformance) -> None:
    raw = client.responses.with_raw_response.create(
        model="good", input="hi", store=True, tools=[{"type": "web_search"}], reasoning={"summary": "auto"}
    )
    assert raw.headers["x-steward-dropped"] == "store, tools.0" and "tools" not in json.loads(it.last()["body"])


@pytest.mark.parametrize("stream", [False, True])
def test_c8_an_anthropic_upstream_answers_chat_and_responses(client: openai.OpenAI, stream: bool) -> None:
    if stream:
        chunks = list(client.chat.completions.create(model="claude", messages=HI, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
        with client.responses.stream(model="claude", input="hi") as events:
            assert events.get_final_response().output_text == TEXT
    else:
        answer = client.chat.completions.create(model="claude", messages=HI)
        assert answer.choices[0].message.content == TEXT and answer.choices[0].finish_reason == "stop"
        assert client.responses.create(model="claude", input="hi").output_text == TEXT


def test_every_endpoint_is_metered(it: Conformance, client: openai.OpenAI) -> None:
    before = it.deployment.settled_usage()
    client.responses.create(model="good", input="hi")
    list(client.responses.create(model="good", input="hi", stream=True))
    client.responses.create(model="native", input="hi")
    list(client.responses.create(model="native", input="hi", stream=True))
    after = until(lambda: (u := it.deployment.usage())["requests"] == before["requests"] + 4 and u)
    assert after["input_tokens"] == before["input_tokens"] + 48
    assert after["output_tokens"] == before["output_tokens"] + 20


DEEP = b"[" * 20_000 + b"]" * 20_000
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        (CHAT, b'{"model":"good","messages":' + DEEP + b"}", "nested too deeply"),
        (CHAT, b'{"model":"good","messages":[{"content":"\xff"}]}', "not valid UTF-8"),
        (CHAT, b'{"model":"good","messages":[],"temperature":NaN}', "not valid JSON"),
        (CHAT, b'{"model":"good","messages":[],"max_tokens":1e400}', "max_tokens"),
        (CHAT, b'{"model":"good","messages":[],"max_tokens":' + b"9" * 5000 + b"}", "max_tokens"),
        (CHAT, b'{"model":"good","messages":[],"max_completion_tokens":9223372036854775807}', "max_completion_tokens"),
        (CHAT, b'{"model":"good","messages":[],"n":100000000000000000000}', "n must be"),
        (CHAT, b'{"model":"good","messages":[],"stream_options":7}', "stream_options"),
        ("/v1/messages", b'{"model":"good","messages":[]}', "max_tokens"),
        ("/v1/messages", b'{"model":"good","max_tokens":1,"messages":7}', "messages"),
        ("/v1/messages", b'{"model":"good","max_tokens":1,"messages":[],"metadata":7}', "metadata"),
        ("/v1/responses", b'{"model":"good"}', "input"),
        ("/v1/responses", b'{"model":"good","input":"a","max_output_tokens":0}', "max_output_tokens"),
        (
            "/v1/responses",
            b'{"model":"good","input":"a","tools":[' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"]}",
            "tools",
        ),
    ],
)
def test_bad_bodies_are_refused_before_the_upstream_sees_them(
    it: Conformance, path: str, body: bytes, says: str
) -> None:
    status, _, raw = it.post(path, body)
    error = json.loads(raw)["error"]
    assert status == 400 and says in error["message"] and error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Type", "application/json; charset=utf-16"),
        ("Content-Encoding", "gzip"),
    ],
)
def test_other_kinds_of_bodies_are_refused(it: Conformance, name: str, value: str) -> None:
    status, _, raw = it.post(CHAT, {"model": "good", "messages": HI}, **{name: value})
    assert status == 415 and "send " in json.loads(raw)["error"]["message"]
    assert (
        it.post(CHAT, {"model": "good", "messages": HI}, **{"Content-Type": "application/json; charset=UTF-8"})[0]
        == 200
    )
