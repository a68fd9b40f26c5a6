"""An Anthropic upstream that is asked by clients of responses (C8)."""

from openai.types.responses import Response

from compatibility.anthropic_answers import EVENTS, MESSAGE, SPOKEN
from compatibility.events import parse_events
from steward.gateway.dialects import find_translation
from steward.gateway.dialects.chat import TokenCounts


def test_responses_clients_reach_it_too() -> None:
    translation = find_translation("/v1/responses", SPOKEN)
    assert translation is not None and translation.upstream == "/v1/messages"
    asked = {"model": "m", "input": "hi", "instructions": "Be kind.", "max_output_tokens": 99, "store": True}
    dropped: list[str] = []
    message = translation.translate_request(asked, dropped)
    assert (message["system"], message["max_tokens"], dropped) == ("Be kind.", 99, ["store"])
    answer = translation.translate_answer(MESSAGE, asked, "req_1", 1.0)
    seen = Response.model_validate(answer)
    assert [item.type for item in seen.output] == ["reasoning", "message", "function_call"]
    stream = translation.open_stream(asked, "req_1", 1.0, 3)
    parts = [part for event in EVENTS for part in stream.feed(event)] + stream.end(TokenCounts(1, 1))
    last = parse_events(parts)[-1]
    assert last["type"] == "response.completed" and last["response"]["usage"]["total_tokens"] == 17
    assert [item["type"] for item in last["response"]["output"]] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip


def test_usage_is_counted_though_no_client_of_responses_asks_for_it() -> None:
    translation = find_translation("/v1/responses", SPOKEN)
    assert translation is not None
    stream = translation.open_stream({"model": "m"}, "req_1", 1.0, 3)
    parts = stream.feed({"type": "message_start", "message": {"usage": {"input_tokens": 10}}})
    usage = parse_events([*parts, *stream.end(TokenCounts(20, 5))])[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (20, 5)  # the output was never counted: the estimate
