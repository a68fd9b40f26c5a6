"""Which dialect an endpoint speaks, and how an upstream that speaks another is reached.

Paths: OpenAI API reference, Anthropic API reference.
"""

from __future__ import annotations

from types import ModuleType

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects import (
    anthropic,
    chat_to_message,
    chat_to_messages,
    chat_to_response,
    find_dialect,
    find_error_dialect,
    find_translation,
    message_to_chat,
    messages_to_chat,
    openai,
    responses,
    responses_to_chat,
    responses_to_messages,
)

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
BOTH = frozenset({CHAT, MESSAGES})
VERSION = {"anthropic-version": "2023-06-01"}


def test_every_endpoint_has_a_dialect() -> None:
    assert find_dialect(CHAT) is find_dialect("/v1/embeddings") is find_dialect("/v1/completions") is openai
    assert find_dialect(MESSAGES) is find_dialect("/v1/messages/count_tokens") is anthropic
    assert find_dialect(RESPONSES) is responses


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/v1/messages/batches", {}, anthropic),
        ("/v1/messages", {}, anthropic),
        ("/v1/models/x", VERSION, anthropic),
        ("/v1/nothing", VERSION, anthropic),
        ("/v1/models/x", {}, openai),
        ("/v1/chat/completions", VERSION, openai),  # a header too many changes nothing of what the client reads
        ("/v1/responses/r/y", {}, responses),
        ("/v1/messagesx", {}, openai),
    ],
)
def test_errors_are_in_the_words_of_who_asked(path: str, headers: dict[str, str], dialect: object) -> None:
    assert find_error_dialect(path, headers) is dialect


@pytest.mark.parametrize(
    ("endpoint", "spoken", "upstream", "there", "back"),
    [
        (MESSAGES, {CHAT}, CHAT, messages_to_chat, chat_to_message),
        (RESPONSES, {CHAT}, CHAT, responses_to_chat, chat_to_response),
        (CHAT, {MESSAGES}, MESSAGES, chat_to_messages, message_to_chat),
        (RESPONSES, {MESSAGES}, MESSAGES, responses_to_messages, responses_to_messages),
        (RESPONSES, BOTH, CHAT, responses_to_chat, chat_to_response),  # one translation rather than two
    ],
)
def test_an_upstream_of_another_dialect_is_translated_to(
    endpoint: str, spoken: frozenset[str], upstream: str, there: ModuleType, back: ModuleType
) -> None:
    translation = find_translation(endpoint, frozenset(spoken))
    assert translation is not None and translation.upstream == upstream
    assert translation.translate_request is there.translate_request
    assert translation.translate_answer is back.translate_answer
    assert translation.open_stream is back.open_stream


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
def test_what_an_upstream_speaks_is_not_translated(endpoint: str) -> None:
    assert find_translation(endpoint, BOTH) is None


@pytest.mark.parametrize(
    ("endpoint", "spoken", "named"),
    [
        ("/v1/embeddings", BOTH, (CHAT, MESSAGES, RESPONSES)),
        ("/v1/completions", frozenset({MESSAGES}), (CHAT, MESSAGES, RESPONSES)),  # two of them translated
        (CHAT, frozenset({"/v1/completions"}), ("/v1/completions",)),
    ],
)
def test_where_there_is_no_way_the_endpoints_that_clients_may_ask_are_named(
    endpoint: str, spoken: frozenset[str], named: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as caught:
        find_translation(endpoint, spoken)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "model", "unsupported_endpoint")
    assert caught.value.message == f"This model does not support {endpoint}; it supports {', '.join(named)}."
