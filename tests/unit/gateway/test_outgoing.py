"""What the gateway puts into a request, and what it leaves out for an upstream that does not take it."""

import json
from typing import Any, ClassVar

import pytest

from steward.core.errors import Refused
from steward.gateway.exchange import Exchange
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import Outgoing, _note_kept, build_outgoing
from steward.gateway.request_reading import read_request
from steward.gateway.stored_responses import KeptAnswer
from steward.gateway.wire import decode_request, rewrite

ASKED = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "m", "messages": ASKED}


class NoEngine:
    answers: ClassVar[tuple[str, ...]] = ()


def built(
    body: dict[str, Any], *avoided: str, endpoint: str = "/v1/chat/completions", enforced: int | None = None
) -> Any:
    raw = json.dumps(body).encode()
    exchange = Exchange("req_1", endpoint, {}, raw, 0.0, 0.0)
    exchange.request = decode_request(endpoint, raw)
    exchange.enforced_maximum = enforced
    if enforced is not None:
        exchange.body = rewrite(raw, {"max_completion_tokens": enforced})
    outgoing = build_outgoing(exchange, ModelEntry("m", NoEngine(), "m"), frozenset(avoided))  # type: ignore[arg-type]
    return json.loads(outgoing.body), outgoing.added


def test_usage_is_asked_for_unless_the_upstream_does_not_take_it() -> None:
    body, added = built({**CHAT, "stream": True})
    assert body["stream_options"] == {"include_usage": True} and added == ("stream_options",)
    assert built({**CHAT, "stream": True}, "stream_options") == ({**CHAT, "stream": True}, ())
    assert built({**CHAT, "stream": True, "stream_options": {"include_usage": True}})[1] == ()
    assert built(CHAT) == (CHAT, ())


def test_an_enforced_maximum_has_two_names() -> None:
    assert built(CHAT, enforced=5) == ({**CHAT, "max_completion_tokens": 5}, ("max_completion_tokens",))
    assert built(CHAT, "max_completion_tokens", enforced=5) == ({**CHAT, "max_tokens": 5}, ())
    both = built(CHAT, "max_completion_tokens", "max_tokens", enforced=5)
    assert both == ({**CHAT, "max_completion_tokens": 5}, ())


def test_a_translation_s_own_fields() -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": ASKED, "thinking": {"type": "adaptive"}, "stream": True}
    body, added = built(asked, endpoint="/v1/messages")
    assert added == ("stream_options", "reasoning_effort", "max_tokens") and body["max_tokens"] == 5
    body, added = built(asked, "stream_options", "reasoning_effort", "max_tokens", endpoint="/v1/messages")
    assert added == () and body == {"model": "m", "messages": ASKED, "stream": True, "max_completion_tokens": 5}
    body, added = built(asked, "max_tokens", "max_completion_tokens", endpoint="/v1/messages")
    assert body["max_tokens"] == 5 and "max_tokens" not in added


def test_an_effort_that_the_client_named_in_its_own_words_is_still_only_a_wish() -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": ASKED, "output_config": {"effort": "low"}}
    assert built(asked, endpoint="/v1/messages")[0]["reasoning_effort"] == "low"


def test_only_a_chat_model_without_embeddings_is_told_how_to_serve_them() -> None:
    raw = b'{"model":"m","input":"x"}'

    def build(*endpoints: str, endpoint: str = "/v1/embeddings") -> str:
        exchange = Exchange("req_1", endpoint, {}, raw, 0.0, 0.0)
        exchange.request = decode_request("/v1/embeddings", raw)
        entry = ModelEntry("m", NoEngine(), "m", endpoints=frozenset(endpoints))  # type: ignore[arg-type]
        return build_outgoing(exchange, entry).endpoint

    with pytest.raises(Refused, match="does not serve embeddings"):
        build("/v1/chat/completions")
    assert build("/v1/chat/completions", "/v1/embeddings") == build("/v1/embeddings") == "/v1/embeddings"
    assert build("/v1/chat/completions", endpoint="/v1/chat/completions") == "/v1/chat/completions"


def test_a_request_that_names_the_upstreams_model_keeps_its_bytes() -> None:
    raw = b'{"model":"m",  "messages":[]}'
    for upstream, expected in (("m", raw), ("big", b'{"model":"big","messages":[]}')):
        exchange = Exchange("req_1", "/v1/chat/completions", {}, raw, 0.0, 0.0)
        exchange.request = decode_request("/v1/chat/completions", raw)
        assert build_outgoing(exchange, ModelEntry("m", NoEngine(), upstream)).body == expected  # type: ignore[arg-type]


def test_what_a_translation_was_made_of_is_kept() -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": ASKED}
    raw = json.dumps(asked).encode()
    exchange = Exchange("req_1", "/v1/messages", {}, raw, 0.0, 0.0)
    exchange.request = decode_request("/v1/messages", raw)
    outgoing = build_outgoing(exchange, ModelEntry("m", NoEngine(), "m"))  # type: ignore[arg-type]
    assert outgoing.asked == asked and Outgoing("/v1/messages", b"").asked == {}


def asked_of(body: bytes, embedded: bool) -> bytes:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)
    exchange.request, exchange.fields, _ = read_request("/v1/chat/completions", body)
    return build_outgoing(exchange, ModelEntry("m", NoEngine(), "m", embedded=embedded)).body  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (b'"messages":[]', "empty_array"),
        (b'"messages":[{"role":"user","content":"hi"}],"stop":5', "invalid_type"),
        (b'"messages":[{"role":"user","content":"hi"}],"functions":[{"name":"f"}]', "unsupported_parameter"),
    ],
)
def test_an_embedded_model_is_held_to_the_api_and_an_upstream_decides_for_itself(fields: bytes, code: str) -> None:
    body = b'{"model":"m",' + fields + b"}"
    with pytest.raises(Refused) as caught:
        asked_of(body, embedded=True)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert asked_of(body, embedded=False) == body


def test_a_body_that_is_only_just_readable_is_refused_from_deeper_down_the_stack() -> None:
    body = b'{"model":"m","messages":' + b"[" * 850 + b"]" * 850 + b"}"
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)
    exchange.request, exchange.fields, _ = read_request("/v1/chat/completions", body)

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            build_outgoing(exchange, ModelEntry("m", NoEngine(), "m", embedded=True))  # type: ignore[arg-type]

    with pytest.raises(Refused, match="nested too deeply"):
        descend(300)


@pytest.mark.parametrize("dropped", [["store", "top_k"], ["top_k"]])
def test_an_answer_that_is_kept_says_so_and_its_wish_was_not_dropped(dropped: list[str]) -> None:
    asked: dict[str, Any] = {}
    _note_kept(asked, dropped, KeptAnswer("resp_1"))
    assert (asked, dropped) == ({"store": True, "previous_response_id": "resp_1"}, ["top_k"])


def test_an_answer_that_is_not_kept_says_so_and_its_wish_was_dropped() -> None:
    asked, dropped = dict[str, Any](), ["store"]
    _note_kept(asked, dropped, None)
    assert (asked, dropped) == ({"store": False}, ["store"])
