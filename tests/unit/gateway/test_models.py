"""A list of models as both SDKs read it.

OpenAI API reference, "List models"; Anthropic API reference, "List Models".
"""

from __future__ import annotations

from anthropic.types import ModelInfo
from openai.types import Model

from steward.gateway.models import describe_model, describe_models


def test_a_model_is_one_for_both_sdks() -> None:
    described = describe_model("a/b")
    assert Model.model_validate(described).id == ModelInfo.model_validate(described).id == "a/b"
    assert (described["object"], described["type"], described["owned_by"]) == ("model", "model", "steward")
    assert (described["created"], described["created_at"]) == (0, "1970-01-01T00:00:00Z")  # the same moment


def test_a_list_has_one_page() -> None:
    listed = describe_models(["a", "b", "c"])
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "c", False)
    assert listed["data"] == [describe_model(name) for name in ("a", "b", "c")] and listed["object"] == "list"
    assert describe_models([]) == {
        "object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None,
    }  # fmt: skip
