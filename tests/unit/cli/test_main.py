"""Exit codes, the same for every command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from conftest import leave_out_waiting
from steward.cli import main as cli
from steward.cli.main import interrupt
from steward.core.errors import Contradiction, InputError, Unavailable


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), 2),
        (Unavailable("x"), 4),
        (Contradiction("x"), 5),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (OSError(28, "No space left on device", "f"), 4),
        (ValueError("x"), 5),
    ],
)
def test_an_error_has_its_exit_code(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    assert ended(monkeypatch, error) == code


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=150)


def test_k9_a_closed_pipe_ends_quietly_with_0() -> None:
    command = f"{sys.executable} -m steward config schema"
    found = run(f"({command}; echo $? >&2) | head -c 10 >/dev/null")
    assert leave_out_waiting(found.stderr).strip() == "0"


def test_usage_errors_end_with_2_and_help_with_0() -> None:
    for arguments, code in (("keys creat", 2), ("up --prot 1", 2), ("--version", 0), ("keys --help", 0)):
        assert run(f"{sys.executable} -m steward {arguments}").returncode == code


def test_an_error_message_is_not_obeyed_by_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, InputError("no \x1b[2J such")) == 2
    assert capsys.readouterr().err == "steward: no \ufffd[2J such\n"


def test_k10_what_the_system_refuses_names_the_next_step() -> None:
    denied = cli.explain_os_error(PermissionError(13, "Permission denied", "/srv/a b/out"))
    assert denied == (
        "/srv/a b/out: Permission denied; choose a place that you may use, or see who may: ls -ld '/srv/a b'"
    )
    full = cli.explain_os_error(OSError(28, "No space left on device", "f"))
    assert full == "f: No space left on device; free some space, or choose a place on another disk: df -h"
    folder = cli.explain_os_error(IsADirectoryError(21, "Is a directory", "/srv/a b"))
    assert folder == "/srv/a b: Is a directory; expected a file; move the folder away: mv '/srv/a b' ELSEWHERE"
    assert cli.explain_os_error(OSError(5, "Input/output error")) == "Input/output error"


def test_s18_what_is_written_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "Anna lives here."}\n')
    text = "input: {path: in.jsonl}\nstages: []\noutput: {path: out, format: jsonl}\n"
    (tmp_path / "pipeline.yaml").write_text(text)
    found = run(f"umask 0022; cd {tmp_path} && {sys.executable} -m steward data run pipeline.yaml --json")
    assert found.returncode == 0, found.stderr
    written = [path for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))]
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def test_k9_sigterm_means_what_ctrl_c_means(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        for handler in (signal.default_int_handler, signal.SIG_IGN):  # a background job ignores Ctrl-C
            signal.signal(signal.SIGINT, handler)
            with pytest.raises(KeyboardInterrupt):
                interrupt(signal.SIGTERM, None)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "interrupted; nothing is left half-written. Run the command again"),
        (KeyboardInterrupt("stopped at row 7"), "stopped at row 7"),
    ],
)
def test_an_interrupted_command_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, words: str
) -> None:
    assert ended(monkeypatch, error) == 130
    assert words in " ".join(capsys.readouterr().err.split())


def test_what_a_command_writes_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The mask that the process has already stays: 0002 becomes 0077, and 0177 takes away no less."""

    def write() -> None:
        (tmp_path / "file").touch(0o666)

    for mask, mode in ((0o002, 0o600), (0o177, 0o600)):
        monkeypatch.setattr(cli, "_run", write)
        before = os.umask(mask)
        try:
            with pytest.raises(SystemExit):
                cli.main()
        finally:
            os.umask(before)
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode
        (tmp_path / "file").unlink()


def test_what_a_command_has_loaded_is_not_searched_for_garbage_at_its_end() -> None:
    """gc.freeze: what is frozen is in no collection, so the cycle here is not taken apart."""
    code = (
        "import sys\nfrom steward.cli.main import main\n"
        "class Cycle:\n    def __del__(self): print('collected')\n"
        "cycle = Cycle()\ncycle.itself = cycle\ndel cycle\nsys.argv = ['steward', '--version']\nmain()"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("steward ") and "collected" not in said
