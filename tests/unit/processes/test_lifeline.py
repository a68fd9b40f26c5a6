"""What every process does about its end and its memory."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from steward.core.errors import InputError, Unavailable
from steward.processes.lifeline import report_errors, return_memory


def test_the_limit_on_core_dumps_is_inherited_before_a_child_runs() -> None:
    """setrlimit(2): limits are inherited by a child and kept across exec, so there is no moment without one."""
    code = "import subprocess; from steward.processes.lifeline import limit_core_dumps; limit_core_dumps()"
    code += "; subprocess.run(['sh', '-c', 'ulimit -c; ulimit -Hc'])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["0", "0"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no such model"), 2, "worker: no such model\n"),
        (Unavailable("the store is down"), 4, "worker: the store is down\n"),
        (FileNotFoundError(2, "No such file or directory", "/run/x"), 4, "worker: /run/x: No such file or directory\n"),
        (TimeoutError(), 4, "worker: TimeoutError\n"),
    ],
)
def test_a_named_error_ends_a_process_with_one_line(
    capfd: pytest.CaptureFixture[str], error: Exception, code: int, line: str
) -> None:
    with pytest.raises(SystemExit) as ended, report_errors("worker"):
        raise error
    assert (ended.value.code, capfd.readouterr().err) == (code, line)


def test_a_process_ends_when_the_supervisor_is_gone() -> None:
    read, write = os.pipe()
    code = "import signal; from steward.processes.lifeline import end_with_supervisor"
    code += f"; end_with_supervisor({read}, 9.0); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], pass_fds=(read,)) as process:
        os.close(read)
        os.close(write)
        assert process.wait(30) == -15  # SIGTERM


def test_a_process_that_ignores_the_end_is_made_to() -> None:
    read, write = os.pipe()
    code = (
        "import signal; from steward.processes.lifeline import end_with_supervisor; signal.signal(15, signal.SIG_IGN)"
    )
    code += f"; end_with_supervisor({read}, 0.1)\nwhile True: signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], pass_fds=(read,)) as process:
        os.close(read)
        os.close(write)
        assert process.wait(30) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_content_cannot_be_read_out_of_a_process() -> None:
    """prctl(2): PR_GET_DUMPABLE is 3; 0 also keeps other processes of the user from attaching (ptrace(2))."""
    code = "import ctypes; from steward.processes.lifeline import disable_core_dumps; disable_core_dumps()"
    code += "; print(ctypes.CDLL(None).prctl(3))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "0"


def test_a_bug_is_told_in_one_line_unless_its_trace_is_asked_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEWARD_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as ended, report_errors("worker"):
        raise ZeroDivisionError("a secret")
    said = capfd.readouterr().err
    assert ended.value.code == 5 and "worker: Internal error (ZeroDivisionError)" in said and "secret" not in said
    monkeypatch.setenv("STEWARD_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError), report_errors("worker"):
        raise ZeroDivisionError


def test_memory_goes_back_to_the_system_but_for_what_an_operator_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """malloc.h: M_TRIM_THRESHOLD is -1, M_MMAP_THRESHOLD -3, M_ARENA_MAX -8."""
    options: dict[int, int] = {}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=options.__setitem__))
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX"):
        monkeypatch.delenv(name, raising=False)
    return_memory()
    assert options == {-3: 262_144, -1: 1_048_576, -8: 2}
    options.clear()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    return_memory()
    assert set(options) == {-3, -1}


def test_a_c_library_without_such_options_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    return_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_processes_whose_parent_is_gone_become_children_of_who_adopts_them() -> None:
    """prctl(2): PR_GET_CHILD_SUBREAPER is 37."""
    code = "import ctypes; from steward.processes.lifeline import adopt_orphans; it = ctypes.c_int()"
    code += "; adopted = adopt_orphans(); ctypes.CDLL(None).prctl(37, ctypes.byref(it)); print(adopted, it.value)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["True", "1"]
