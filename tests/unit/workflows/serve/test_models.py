"""Where the engine of an embedded model listens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError, Unavailable
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.models import fetch_model_names, plan_file
from steward.workflows.serve.plan import ModelPlan


def test_a_home_whose_path_no_socket_can_have_is_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings.model_validate({"models": [{"name": "m", "backend": "embedded"}]})
    room = 107 - len("/run/e-0123456789.sock")  # man 7 unix: 108 bytes with the one that ends it
    fits, long = Path("/" + "h" * (room - 1)), Path("/" + "h" * room)
    assert len(str(make_plan(settings, fits, "0").models[0].socket)) == 107
    with pytest.raises(InputError, match=r"1 bytes too long for the socket.*--home /srv/steward"):
        make_plan(settings, long, "0")


PRICE = {"input": 2.0, "output": 8.0}


def plan_models(home: Path, *models: dict[str, Any], **more: Any) -> dict[str, ModelPlan]:
    settings = Settings.model_validate({"models": list(models), **more})
    return {model.name: model for model in make_plan(settings, home, "0").models}


def test_an_upstream_has_its_own_name_address_and_price(tmp_path: Path) -> None:
    plans = plan_models(
        tmp_path,
        {"name": "plain", "backend": "openai", "url": "http://x/v1"},
        {"name": "named", "backend": "openai", "url": "http://x/v1", "upstream_model": "u", "price": PRICE},
        {"name": "claude-sonnet-4-5", "backend": "anthropic"},
    )
    assert (plans["plain"].upstream_model, plans["plain"].prices, plans["plain"].key_mark) == ("plain", None, None)
    named = plans["named"]
    assert named.upstream_model == "u" and named.prices is not None and named.prices.input == 2.0
    assert plans["claude-sonnet-4-5"].url == "https://api.anthropic.com"
    assert plans["claude-sonnet-4-5"].prices is not None  # public ones


def test_a_rotated_secret_has_another_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mark(key: str) -> str | None:
        monkeypatch.setenv("KEY", key)
        model = {"name": "m", "backend": "openai", "url": "http://x", "key": "env:KEY"}
        return plan_models(tmp_path, model)["m"].key_mark

    first = mark("a")
    assert first is not None and len(first) == 16 and first == mark("a") != mark("b")


def test_a_model_behind_a_prompt_is_not_asked_directly_unless_told(tmp_path: Path) -> None:
    def direct(**fields: bool) -> bool:
        plans = plan_models(
            tmp_path,
            {"name": "m", "backend": "openai", "url": "http://x", **fields},
            {"name": "free", "backend": "openai", "url": "http://x"},
            prompts=[{"name": "p", "system": "Be kind."}],
            routes=[{"name": "r", "targets": [{"model": "m"}], "prompt": {"name": "p"}}],
        )
        assert plans["free"].direct
        return plans["m"].direct

    assert not direct() and direct(direct=True) and not direct(direct=False)


def test_an_embedded_model_leaves_a_core_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = {}
    for cores in (1, 2, 8, None):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        threads[cores] = plan_models(tmp_path, {"name": "m", "backend": "embedded"})["m"].threads
    assert threads == {1: 1, 2: 1, 8: 7, None: 1}
    assert plan_models(tmp_path, {"name": "m", "backend": "embedded", "threads": 3})["m"].threads == 3


def test_another_file_is_served_as_its_base_is_by_another_engine(tmp_path: Path) -> None:
    base = plan_models(tmp_path, {"name": "m", "backend": "embedded", "context": 128, "slots": 2, "threads": 3})["m"]
    file = tmp_path / "other.gguf"
    file.write_bytes(b"GGUF")
    version = plan_file(base, "m@1", file, tmp_path)
    assert (version.context, version.slots, version.threads) == (128, 2, 3)
    assert (version.path, version.direct) == (str(file), False) and version.socket != base.socket
    socket = version.socket
    file.write_bytes(b"GGUF, longer")
    assert plan_file(base, "m@1", file, tmp_path).socket != socket  # the same file with another content
    upstream = plan_models(tmp_path, {"name": "u", "backend": "openai", "url": "http://x"})["u"]
    assert (
        plan_file(upstream, "u@1", file, tmp_path).slots
        == plan_models(tmp_path, {"name": "m", "backend": "embedded"})["m"].slots
    )
    with pytest.raises(InputError, match="no such file"):
        plan_file(base, "m@1", tmp_path / "none.gguf", tmp_path)


def test_a_file_of_the_command_line_replaces_all_models(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    (model,) = make_plan(Settings(), tmp_path, "0", str(file)).models
    assert (model.name, model.path, model.backend) == ("mine", str(file), "embedded")


def test_a_server_that_lists_nothing_is_told() -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:1/v1/models: no list of models"):
        fetch_model_names("http://127.0.0.1:1/v1")


def test_a_server_that_hangs_is_given_up_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(url: str, timeout_s: float) -> None:
        assert timeout_s == 5
        raise TimeoutError("timed out")

    monkeypatch.setattr("steward.workflows.serve.models.open_url", hang)
    with pytest.raises(Unavailable, match="no list of models \\(timed out\\)"):
        fetch_model_names("http://127.0.0.1:1")
