from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from served_home import SETTINGS, serve_home
from steward.core.errors import InputError, Unavailable
from steward.core.identity import operator
from steward.workflows import change_settings, history, reload
from steward.workflows.approvals import decide, list_approvals
from steward.workflows.change_settings import SettingsConflict, apply_text, digest_text, preview_text
from steward.workflows.prompt_changes import add_prompt
from steward.workflows.prompts import PromptText
from steward.workflows.reload import ConfigSource

ME = operator(7)
OTHER = SETTINGS.replace("gateway:\n", "gateway:\n  max_body_bytes: 4096\n")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with serve_home(tmp_path) as folder:
        yield folder


def apply(home: Path, text: str, base: str = SETTINGS) -> reload.ReloadReport:
    return apply_text(reload.read_source(home), home, text, digest_text(base), 1.0, actor=ME)


def test_a_text_is_previewed_without_being_saved(home: Path) -> None:
    source = reload.read_source(home)
    preview = preview_text(source, home, OTHER)
    assert [(item.key, item.after) for item in preview.changes] == [("gateway.max_body_bytes", 4096)]
    assert not preview.restart and not preview.needs_approval and source.file.read_text() == SETTINGS
    assert [item.key for item in preview_text(source, home, SETTINGS.replace("8080", "1")).restart] == ["gateway.port"]
    with pytest.raises(InputError, match=r"^steward\.yaml:3: gateway\.port"):
        preview_text(source, home, SETTINGS.replace("8080", "many"))


def test_a_text_that_is_applied_serves_and_keeps_the_files_mode(home: Path) -> None:
    file = reload.read_source(home).file
    file.chmod(0o640)
    report = apply(home, OTHER)
    assert (report.outcome, report.version) == ("applied", 2)
    assert file.read_text() == OTHER and file.stat().st_mode & 0o777 == 0o640
    assert history.get_version(home, 2).by == "operator:7"
    assert change_settings.find_text(home, digest_text(SETTINGS)) == SETTINGS
    assert change_settings.find_text(home, digest_text("none")) is None


def test_a_text_made_from_another_than_the_files_is_refused(home: Path) -> None:
    apply(home, OTHER)
    with pytest.raises(SettingsConflict, match="Nothing was saved"):
        apply(home, SETTINGS.replace("95", "90"))
    assert reload.read_source(home).file.read_text() == OTHER


def test_a_text_that_does_not_come_up_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with serve_home(tmp_path, comes_up=False) as home:
        with pytest.raises(Unavailable, match="an engine does not start"):
            apply(home, OTHER)
        assert (tmp_path / "steward.yaml").read_text() == SETTINGS


def test_an_earlier_version_serves_again(home: Path) -> None:
    apply(home, OTHER)
    assert change_settings.roll_back(home, 1, actor=ME).version == 3
    assert reload.read_source(home).file.read_text() == SETTINGS
    with pytest.raises(InputError, match="unknown configuration version"):
        change_settings.roll_back(home, 9, actor=ME)


def test_a_file_that_is_not_there_is_made(home: Path) -> None:
    source = reload.read_source(home)
    source.file.unlink()
    assert change_settings.read_settings_text(source) == ""
    assert apply(home, OTHER, "").outcome == "applied" and source.file.stat().st_mode & 0o777 == 0o600


def test_a_home_without_a_source_says_to_restart(tmp_path: Path) -> None:
    for text in (None, "{}", "[1]", '{"config": 1}'):
        if text is not None:
            (tmp_path / "run").mkdir(exist_ok=True)
            (tmp_path / "run" / "source.json").write_text(text)
        with pytest.raises(InputError, match="restart `steward up`"):
            reload.read_source(tmp_path)


def test_what_the_command_line_said_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    source = ConfigSource(Path("steward.yaml"), {"gateway.port": 81}, "m.gguf", "1")
    reload.save_source(tmp_path, source)
    assert reload.read_source(tmp_path) == ConfigSource(source.file, {"gateway.port": 81}, "m.gguf", "1")


def test_approved_settings_serve_and_nothing_else_does(tmp_path: Path) -> None:
    policy = "approval_policy: {settings: [{kind: approvals}], prompts: [{kind: approvals}]}\n"
    now = time.time()  # by which the home's reloader judges approvals
    with serve_home(tmp_path, SETTINGS + policy) as home:
        source = reload.read_source(home)
        with pytest.raises(InputError, match="needs approval"):
            apply_text(source, home, OTHER + policy, digest_text(SETTINGS + policy), now, actor=ME)
        with pytest.raises(InputError, match="needs approval"):
            add_prompt(home, "greet", PromptText("a"), now, actor=ME)
        views = {view.request.kind: view.request.id for view in list_approvals(home, now, 9, actor=ME)}

        def serve_approved(kind: Any) -> reload.ReloadReport:
            return change_settings.apply_approved(source, home, views[kind], now, actor=ME)

        with pytest.raises(InputError, match=r"is waiting and changes .*; expected approved settings"):
            serve_approved("settings")
        for name in views.values():
            decide(home, name, "approve", now, actor=operator(8))
        with pytest.raises(InputError, match=r"is approved and changes .*greet.*; expected approved settings"):
            serve_approved("prompt")
        assert serve_approved("settings").outcome == "applied" and source.file.read_text() == OTHER + policy
