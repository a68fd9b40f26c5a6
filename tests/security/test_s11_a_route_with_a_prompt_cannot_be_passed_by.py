"""S11: a model behind a route with a prompt is not reachable by its own name, and a request names one model, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.field_names import read_field_names
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.routes import list_routes

MODELS: list[dict[str, Any]] = [
    {"name": name, "backend": "openai", "url": "http://127.0.0.1:9/v1"} for name in ("stub", "spare", "free")
]
ROUTES: list[dict[str, Any]] = [
    {"name": "assistant", "targets": [{"model": "stub"}], "fallback": ["spare"], "prompt": {"system": "Be brief."}},
    {"name": "plain", "targets": [{"model": "free"}]},
]


def served(tmp_path: Path, **changes: bool) -> set[str]:
    """The names that clients can ask for."""
    models = [{**model, "direct": changes[model["name"]]} if model["name"] in changes else model for model in MODELS]
    settings = Settings.model_validate({"models": models, "routes": ROUTES})
    return set(list_routes(make_plan(settings, tmp_path, "0")))


def test_models_behind_a_prompt_have_no_name_of_their_own(tmp_path: Path) -> None:
    assert served(tmp_path) == {"assistant", "plain", "free"}


def test_the_operator_may_say_otherwise(tmp_path: Path) -> None:
    assert served(tmp_path, stub=True, free=False) == {"assistant", "plain", "stub"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"model": "assistant", "model": "stub"}', "'model' twice"),
        ('{"model": "assistant", "mod\\u0065l": "stub"}', "'model' twice"),
        ('{"model": "assistant", "Model": "stub"}', "Did you mean 'model'"),
        ('{"model": "assistant", "MODEL ": "stub"}', "Did you mean 'model'"),
        ('{"model": "assistant", "\uff4dodel": "stub"}', "Did you mean 'model'"),
        ('{"model": "m", "messages": [], "Messages": []}', "Did you mean 'messages'"),
        ('{"model": "m", "messages": [{"role": "user", "content": "a", "content": "b"}]}', "'content' twice"),
        ('{"model": "m", "tools": [{"a": {"b": 1, "b": 1}}]}', "'b' twice"),
    ],
)
def test_a_name_that_two_readers_would_read_in_two_ways_is_refused(body: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        read_field_names(body.encode())
    assert caught.value.status == 400


def test_other_fields_pass() -> None:
    body = '{"model": "m", "messages": [{"content": "a"}, {"content": "a"}], "x_model": 1, "Temperature": 2}'
    assert read_field_names(body.encode()) == {"model", "messages", "x_model", "Temperature"}
