"""What `steward up` says once it is ready."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from steward.cli import up
from steward.cli.main import app
from steward.core.errors import InputError
from steward.core.files import spell_home
from steward.settings import load_settings


def test_k8_what_model_replaces_is_said(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text(
        "models:\n- {name: a, backend: openai, url: 'http://127.0.0.1:1/v1'}\n- {name: b, backend: openai, url: 'http://127.0.0.1:2/v1'}\n"
        "routes:\n- {name: r, targets: [{model: a}]}\n"
    )
    settings = load_settings(folder=tmp_path).settings
    assert up._say_replaced(settings, "m.gguf") == ["--model replaces what steward.yaml has: 2 models, 1 route", ""]
    assert up._say_replaced(settings, None) == []


def test_k8_a_printed_command_finds_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert spell_home(tmp_path / ".steward") == ""
    assert spell_home(Path("/a b")) == " --home '/a b'"


def test_k12_the_help_names_the_ports() -> None:
    text = CliRunner().invoke(app, ["up", "--help"], env={"COLUMNS": "200"}).output
    assert "8080 by default" in text and "8081 by default" in text


def test_k10_a_folder_that_cannot_be_written_names_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/home cannot be made: .*choose a folder of yours with --home"):
        up._make_home(tmp_path / "file" / "home")
