"""A process is there until it has been waited for, whoever's it is."""

import os
import subprocess
import sys

import pytest

from steward.core.process_ids import is_process_there


def test_a_process_is_there_until_it_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_process_there(os.getpid()) and is_process_there(child.pid)
    child.communicate(b"\n", timeout=60)
    assert not is_process_there(child.pid)


def test_a_process_of_somebody_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_process_there(1)
