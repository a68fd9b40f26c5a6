"""Stored answers as OpenAI's API shows them. Shapes: API reference, "Get a model response", "List input items"."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.response_endpoints import (
    build_response_endpoints,
    list_input_items,
    no_endpoint,
    not_stored,
    show_response,
)
from steward.gateway.stored_responses import StoredResponse

NAME = "resp_" + "0" * 24
ASKED: list[Any] = [
    {"role": "user", "content": "one"},
    {"type": "message", "role": "assistant", "id": "msg_own", "content": "two"},
    {"type": "function_call_output", "call_id": "c", "output": "three"},
]


def stored(asked: Any = ASKED, **more: Any) -> StoredResponse:
    return StoredResponse(
        at=1.0, output=b'[{"id":"x"}]', input=json.dumps(asked).encode() if asked is not None else b"", **more
    )


def page(**query: str) -> Any:
    return json.loads(list_input_items(NAME, stored(), query))


def test_an_answer_reads_as_its_client_got_it() -> None:
    answer = json.loads(show_response(stored(rest=b'{"id":"resp_1","status":"completed","error":null}')))
    assert answer == {"id": "resp_1", "status": "completed", "error": None, "output": [{"id": "x"}]}


def test_items_come_latest_first_with_all_that_clients_expect() -> None:
    shown = page()
    assert [item["id"] for item in shown["data"]] == [f"item_{'0' * 24}2", "msg_own", f"item_{'0' * 24}0"]
    assert (shown["object"], shown["has_more"]) == ("list", False)
    assert (shown["first_id"], shown["last_id"]) == (shown["data"][0]["id"], shown["data"][2]["id"])
    assert shown["data"][2] == {
        "role": "user",
        "content": [{"type": "input_text", "text": "one"}],
        "type": "message",
        "id": f"item_{'0' * 24}0",
    }
    assert shown["data"][1]["content"] == [{"type": "output_text", "text": "two", "annotations": []}]
    assert shown["data"][0]["output"] == "three"


def test_pages_follow_each_other() -> None:
    first = page(order="asc", limit="2")
    assert first["has_more"] and first["last_id"] == "msg_own"
    rest = page(order="asc", limit="2", after="msg_own")
    assert not rest["has_more"] and [item["type"] for item in rest["data"]] == ["function_call_output"]
    end = page(order="asc", after=rest["last_id"])
    assert (end["data"], end["first_id"], end["last_id"], end["has_more"]) == ([], None, None, False)
    assert len(page(limit="100")["data"]) == 3


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"order": "up"}, "order"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"after": "nothing"}, "after"),
    ],
)
def test_a_query_that_means_no_page_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(Refused) as caught:
        page(**query)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_an_input_that_was_too_long_is_not_shown_as_empty() -> None:
    with pytest.raises(Refused, match="too long to keep") as caught:
        list_input_items(NAME, stored(None), {})
    assert caught.value.status == 404
    assert json.loads(list_input_items(NAME, stored([]), {}))["data"] == []


def test_what_is_not_there_is_404_with_the_reason() -> None:
    assert "gateway.responses_store.keep_s" in not_stored(NAME, False).message
    assert "no response of this gateway" in not_stored("resp_68a1", True).message
    assert "no response of this gateway" in not_stored("msg_" + "0" * 24, True).message
    error = not_stored(NAME, True)
    assert (error.status, error.code) == (404, "response_not_found") and "another project" in error.message
    assert "close its connection" in no_endpoint(f"{NAME}/cancel").message
    assert "input_items" in no_endpoint(f"{NAME}/x").message and no_endpoint("a/b").status == 404


def test_only_messages_have_their_text_made_a_part() -> None:
    asked = [{"type": "reasoning", "content": "so"}, {"role": "user", "content": [{"type": "input_text", "text": "x"}]}]
    items = json.loads(list_input_items(NAME, stored(asked), {"order": "asc"}))["data"]
    assert items[0]["content"] == "so" and items[1]["content"] == [{"type": "input_text", "text": "x"}]


class Responses:
    def find(self, caller: Any, name: str) -> StoredResponse:
        return stored(rest=b'{"id":"resp_1"}')

    def delete(self, caller: Any, name: str) -> None:
        pass


async def send(method: str, rest: str, query: bytes = b"") -> Any:
    """The decoded answer to a request below /v1/responses/."""
    answers: list[Any] = []

    async def respond(answer: Any) -> None:
        answers.append(json.loads(answer.body))

    api: Any = Responses()
    (endpoint,) = [one for one in build_response_endpoints(lambda: api) if one.method == method]
    request: Any = SimpleNamespace(rest=rest, scope={"query_string": query}, caller=None, respond=respond)
    await endpoint.handler(request)
    return answers[0]


def test_an_answer_and_its_items_are_shown_by_their_paths() -> None:
    assert asyncio.run(send("GET", NAME)) == {"id": "resp_1", "output": [{"id": "x"}]}
    assert asyncio.run(send("GET", f"{NAME}/input_items", b"stream=true"))["object"] == "list"
    assert asyncio.run(send("GET", NAME, b"stream=false"))["id"] == "resp_1"
    assert asyncio.run(send("DELETE", NAME)) == {"id": NAME, "object": "response", "deleted": True}
    with pytest.raises(Refused, match="A stored response is not streamed again"):
        asyncio.run(send("GET", NAME, b"stream=true"))
    for method, rest in (("GET", f"{NAME}/other"), ("POST", NAME)):
        with pytest.raises(Refused):
            asyncio.run(send(method, rest))


def test_what_a_client_named_is_told_in_part_where_it_is_long() -> None:
    with pytest.raises(Refused) as caught:
        page(after="n" * 200)
    assert f"names '{'n' * 99}…', which" in caught.value.message
    with pytest.raises(Refused) as caught:
        page(order="o" * 200)
    assert f"not '{'o' * 99}…'" in caught.value.message
