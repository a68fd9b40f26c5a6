"""Where a prompt goes in each dialect. The shapes are those of OpenAI's and Anthropic's API references."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.prompts import Mode, Prompt, PromptExample, digest, insert_prompt, is_applicable, redact_error

CHAT = "/v1/chat/completions"
EXAMPLES = (PromptExample("2+2?", "4"),)
PAIR = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
HI = {"role": "user", "content": "hi"}
OWN = {"role": "system", "content": "Be long.", "name": "theirs"}


def made(mode: Mode = "prepend", system: str | None = "Be brief.") -> Prompt:
    return Prompt("p@1", system, EXAMPLES, mode)


def put(prompt: Prompt, body: dict[str, Any], endpoint: str = CHAT) -> Any:
    found = insert_prompt(prompt, endpoint, json.dumps(body).encode())
    return None if found is None else json.loads(found)


def test_system_message_and_examples_come_first() -> None:
    said = put(made(), {"model": "m", "messages": [HI], "unknown": {"kept": 1.50}})
    assert said["messages"] == [{"role": "system", "content": "Be brief."}, *PAIR, HI]
    assert said["model"] == "m" and said["unknown"] == {"kept": 1.50}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_prepending_makes_one_message_of_both(role: str) -> None:
    said = put(made(), {"messages": [{**OWN, "role": role}, HI]})["messages"]
    assert said == [{"role": role, "content": "Be brief.\n\nBe long.", "name": "theirs"}, *PAIR, HI]


def test_prepending_to_text_parts() -> None:
    parts = [{"type": "text", "text": "Be long."}]
    said = put(made(), {"messages": [{"role": "system", "content": parts}, HI]})["messages"]
    assert said[0]["content"] == [{"type": "text", "text": "Be brief."}, *parts]


def test_replacing_drops_every_instruction_of_the_client() -> None:
    late = {"role": "developer", "content": "Ignore it."}
    said = put(made("replace"), {"messages": [OWN, HI, late]})["messages"]
    assert said == [{"role": "system", "content": "Be brief."}, *PAIR, HI]


def test_default_leaves_a_client_that_instructs_alone() -> None:
    body = json.dumps({"messages": [HI, OWN]}).encode()
    assert insert_prompt(made("default"), CHAT, body) is None and not is_applicable(made("default"), CHAT, body)
    assert put(made("default"), {"messages": [HI]})["messages"][0]["content"] == "Be brief."


def test_examples_alone_follow_the_clients_system_message() -> None:
    assert put(made(system=None), {"messages": [OWN, HI]})["messages"] == [OWN, *PAIR, HI]


def test_anthropic() -> None:
    end = "/v1/messages"
    assert put(made(), {"messages": [HI]}, end) == {"messages": [*PAIR, HI], "system": "Be brief."}
    assert put(made(), {"system": "Be long.", "messages": [HI]}, end)["system"] == "Be brief.\n\nBe long."
    parts = [{"type": "text", "text": "Be long.", "cache_control": {"type": "ephemeral"}}]
    assert put(made(), {"system": parts, "messages": []}, end)["system"] == [
        {"type": "text", "text": "Be brief."},
        *parts,
    ]
    assert put(made("replace"), {"system": parts, "messages": []}, end)["system"] == "Be brief."
    assert put(made("default"), {"system": "Be long.", "messages": [HI]}, end) is None


def test_responses() -> None:
    end = "/v1/responses"
    assert put(made(), {"input": "hi"}, end) == {"input": [*PAIR, HI], "instructions": "Be brief."}
    said = put(made("replace"), {"instructions": "Be long.", "input": [OWN, HI]}, end)
    assert said == {"input": [*PAIR, HI], "instructions": "Be brief."}
    later = put(made(), {"input": "hi", "previous_response_id": "resp_1"}, end)
    assert later["input"] == "hi" and later["instructions"] == "Be brief."
    assert put(made("default"), {"instructions": "Be long.", "input": "hi"}, end) is None


@pytest.mark.parametrize("endpoint", ["/v1/completions", "/v1/embeddings"])
def test_an_endpoint_that_carries_no_prompt_is_refused(endpoint: str) -> None:
    with pytest.raises(Refused, match="cannot carry") as caught:
        is_applicable(made(), endpoint, b"{}")
    assert (caught.value.status, caught.value.code) == (400, "prompt_not_applicable")


@pytest.mark.parametrize("messages", ["hi", {"role": "user"}, [1], [{"role": 3}]])
def test_messages_that_are_no_list_of_objects(messages: Any) -> None:
    with pytest.raises(Refused, match="must be a list") as caught:
        put(made(), {"messages": messages})
    assert caught.value.param == "messages"


def test_an_upstreams_error_does_not_quote_the_prompt() -> None:
    quoting = {"message": "Be brief. is too long", "type": "Be brief.", "code": "context_length_exceeded"}
    error = redact_error(400, json.dumps({"error": {**quoting, "param": "messages[0].content"}}).encode())
    assert "Be brief." not in repr((error.message, error.type, error.code, error.param))
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "messages[0].content")
    assert redact_error(503, b"<html>").type == "api_error"


def test_a_version_is_the_digest_of_the_texts() -> None:
    assert digest("a", EXAMPLES) == digest("a", EXAMPLES)
    assert len({digest("a", EXAMPLES), digest("b", EXAMPLES), digest("a", ()), digest(None, EXAMPLES)}) == 4


def test_its_texts_stay_out_of_logs() -> None:
    assert "brief" not in repr(made()) and "brief" not in f"{made()}"


def test_a_version_is_eight_hex_digits_of_the_texts_sha256() -> None:
    """echo -n '["Be brief.",[]]' | sha256sum"""
    assert digest("Be brief.", ()) == hashlib.sha256(b'["Be brief.",[]]').hexdigest()[:8]
    assert len(digest("Be brief.", ())) == 8


def test_a_prompts_bytes_are_those_of_all_its_texts() -> None:
    assert Prompt("p@1", "Über", (PromptExample("2+2?", "4"),)).content_bytes() == 5 + 4 + 1
    assert Prompt("p@1", None, (PromptExample("2+2?", "4"),)).content_bytes() == 5


@pytest.mark.parametrize("mode", ["prepend", "replace"])
def test_only_a_default_gives_way_to_the_client(mode: Mode) -> None:
    body = json.dumps({"messages": [OWN, HI]}).encode()
    assert is_applicable(made(mode), CHAT, body) and not is_applicable(made("default"), CHAT, body)
    assert is_applicable(made("default"), CHAT, json.dumps({"messages": [HI]}).encode())


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (499, "invalid_request_error"), (500, "api_error")]
)
def test_an_error_without_a_type_gets_that_of_its_status(status: int, kind: str) -> None:
    assert redact_error(status, b"{}").type == kind


@pytest.mark.parametrize(("length", "kept"), [(60, True), (61, False)])
def test_a_code_is_a_word_of_60_characters_at_most(length: int, kept: bool) -> None:
    code = "c" * length
    assert redact_error(400, json.dumps({"error": {"code": code}}).encode()).code == (code if kept else None)
