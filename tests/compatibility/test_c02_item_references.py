"""C2: what refers to something stored is found in the same request, else refused with the way to turn it off."""

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.responses_to_chat import translate_request


def test_a_reference_to_an_item_of_the_same_request_is_resolved() -> None:
    items = [
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
        {"type": "item_reference", "id": "msg_1"},
    ]
    messages = translate_request({"model": "m", "input": items}, [])["messages"]
    assert [message["content"] for message in messages] == ["Hi.", "Hi."]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "msg_gone"}]}, "input.0.id"),
        ({"input": "hi", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "hi", "conversation": {"id": "conv_1"}}, "conversation"),
        ({"input": "hi", "prompt": {"id": "pmpt_1"}}, "prompt"),
    ],
)
def test_other_references_are_refused_with_the_way_to_turn_them_off(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused, match=r"store: false.*providerOptions\.openai\.store = false") as error:
        translate_request({"model": "m", **body}, [])
    assert (error.value.param, error.value.code, error.value.status) == (param, "not_stored", 400)
