from __future__ import annotations

from pathlib import Path

import pytest

from served_home import SETTINGS, serve_home
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.workflows import prompts, reload
from steward.workflows.prompt_changes import add_prompt, find_prompt, list_written, refuse_written, use_prompt
from steward.workflows.prompts import PromptText
from steward.workflows.serve.deployment import find_deployment

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


@pytest.mark.parametrize("elsewhere", [False, True])
def test_k05_the_file_that_serves_is_the_one_that_up_was_given(tmp_path: Path, elsewhere: bool) -> None:
    """K5: with `up --config` or `--home` it stands anywhere; before the first `up` it is the one beside the home."""
    home = tmp_path / "home"
    file = tmp_path / ("other/prod.yaml" if elsewhere else "steward.yaml")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"home: {home}\nprompts: [{{name: hello, system: ours}}]\n")
    if elsewhere:
        (home / "run").mkdir(parents=True)
        reload.save_source(home, reload.ConfigSource(file, {"home": str(home)}, None, "1"))
    prompts.add(home, "greet", PromptText("kept"), 1.0, actor=ME, audit=find_deployment(home).open_audit_log())
    assert [item.system for item in list_written(home).values()] == ["ours"]
    assert list_written(tmp_path / "other-home") == {}
    for refuse in (refuse_written, lambda home, name: use_prompt(home, name, "1", 2.0, actor=ME)):
        with pytest.raises(InputError, match=f"is in {file}, and that one serves"):
            refuse(home, "hello")
    refuse_written(home, "greet")
    shown = find_prompt(home, "hello")
    assert (shown.system, shown.in_use, shown.at) == ("ours", True, None) and find_prompt(home, "greet").in_use
    assert find_prompt(home, "hello", shown.version) == shown
    with pytest.raises(UnknownName, match=shown.version):
        find_prompt(home, "hello", "7")
    file.unlink()
    assert list_written(home) == {}
