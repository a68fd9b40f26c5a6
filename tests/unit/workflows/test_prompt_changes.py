from __future__ import annotations

from pathlib import Path

import pytest

from served_home import SETTINGS, serve_home
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.workflows import prompts
from steward.workflows.prompt_changes import add_prompt, use_prompt
from steward.workflows.prompts import PromptText

ME = operator(7)
ROUTE = SETTINGS + "    prompt: {name: greet}\n"


def test_a_version_that_is_used_serves(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        first = add_prompt(home, "greet", PromptText("a"), 1.0, actor=ME)
        second = add_prompt(home, "greet", PromptText("b"), 2.0, actor=ME)
        assert first.in_use and not second.in_use
        used = use_prompt(home, "greet", "2", 3.0, actor=ME)
        assert (used.version, used.reload and used.reload.outcome) == (second.version, "unchanged")


def test_a_version_that_does_not_come_up_is_taken_back(tmp_path: Path) -> None:
    with serve_home(tmp_path, comes_up=False) as home:
        add_prompt(home, "greet", PromptText("a"), 1.0, actor=ME)
        (tmp_path / "steward.yaml").write_text(ROUTE)  # what serves has no prompt yet: a reload changes something
        add_prompt(home, "greet", PromptText("b"), 2.0, actor=ME)
        with pytest.raises(InputError, match="is still in use"):
            use_prompt(home, "greet", "2", 3.0, actor=ME)
        assert prompts.find(home, "greet").version.startswith("1-")


def test_without_a_running_steward_the_next_one_takes_it(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        add_prompt(home, "greet", PromptText("a"), 1.0, actor=ME)
        add_prompt(home, "greet", PromptText("b"), 2.0, actor=ME)
        (home / "run" / "state.json").unlink()
        assert use_prompt(home, "greet", "2", 3.0, actor=ME).reload is None
    assert prompts.find(home, "greet").version.startswith("2-")


def test_a_name_of_the_file_and_a_missing_approval_are_refused(tmp_path: Path) -> None:
    text = SETTINGS + "prompts: [{name: hello, system: a}]\napproval_policy: {prompts: [{kind: approvals}]}\n"
    with serve_home(tmp_path, text) as home:
        with pytest.raises(InputError, match="that one serves"):
            add_prompt(home, "hello", PromptText("b"), 1.0, actor=ME)
        with pytest.raises(InputError, match="needs approval"):
            add_prompt(home, "greet", PromptText("b"), 1.0, actor=ME)
        assert prompts.list_names(home) == []
