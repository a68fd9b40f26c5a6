"""`steward config` and `steward init` as a user meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import run


def test_init_writes_a_file_that_checks(tmp_path: Path) -> None:
    assert run("init", cwd=tmp_path).returncode == 0
    assert run("config", "check", cwd=tmp_path).returncode == 0
    assert run("init", cwd=tmp_path).returncode == 2


def test_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("gateway:\n  host: 127.0.0.1\n  prot: 80\n")
    ended = run("config", "check", cwd=tmp_path)
    assert ended.returncode == 2
    assert "steward.yaml:3: gateway.prot: unknown key; did you mean 'port'?" in ended.stderr


def test_show_says_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("gateway: {port: 9000}\n")
    shown = json.loads(run("config", "show", "--json", cwd=tmp_path, STEWARD_CONSOLE__PORT="9001").stdout)
    origins = {item["key"]: (item["value"], item["origin"]) for item in shown}
    assert origins["gateway.port"] == (9000, "steward.yaml:1")
    assert origins["console.port"] == (9001, "environment STEWARD_CONSOLE__PORT")
    assert origins["gateway.host"] == ("127.0.0.1", "default")


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("up", "--home", str(tmp_path / "file"))
    assert (ended.returncode, ended.stderr) == (4, f"steward: {tmp_path}/file: File exists\n")


def test_no_deployment_is_a_clear_error(tmp_path: Path) -> None:
    ended = run("usage", cwd=tmp_path, STEWARD_HOME="")
    assert ended.returncode == 2 and "steward up" in ended.stderr


def test_a_shell_completes_commands_and_their_options() -> None:
    steward = Path(sys.executable).with_name("steward")
    for words, last, wanted in (("steward ke", "1", "keys"), ("steward keys create --na", "3", "--name")):
        asked = {"_STEWARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": last}
        ended = subprocess.run([steward], capture_output=True, text=True, timeout=30, env={**os.environ, **asked})
        assert ended.stdout.split() == [wanted]
