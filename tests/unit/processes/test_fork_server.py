"""Processes that are forked from one that has loaded their modules."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import until
from steward.processes import fork_server
from steward.processes.child import python
from steward.processes.fork_server import ForkedProcess, can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

# a module that a forked process runs: it writes what it finds to a file, and does as it is told
PROGRAM = """
    import gc, json, os, random, resource, signal, sys, threading

    def main():
        out, then = sys.argv[1], sys.argv[2]
        found = {
            "argv": sys.argv, "main": sys.modules["__main__"].__name__, "pid": os.getpid(), "parent": os.getppid(),
            "session": os.getsid(0), "core": resource.getrlimit(resource.RLIMIT_CORE), "random": random.random(),
            "frozen": gc.get_freeze_count() > 0, "threads": threading.active_count(),
            "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "stdin": os.path.realpath("/proc/self/fd/0"),
            "title": open("/proc/self/cmdline").read().rstrip("\\0"), "arenas": os.environ["MALLOC_ARENA_MAX"],
            "fds": {name: os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")},
        }
        with open(out + ".part", "w") as file:
            json.dump(found, file)
        os.rename(out + ".part", out)
        if then == "wait":
            signal.pause()
        if then == "fail":
            raise OSError(28, "No space left on device")
        if then == "thread":
            threading.Timer(0.1, lambda: open(out + ".late", "w").close()).start()
            return
        if then == "raise":
            raise ValueError("a fault of the program's own")
        if then == "interrupt":
            raise KeyboardInterrupt
        raise SystemExit({"text": "why it ended", "none": None}.get(then, then) if not then.isdigit() else int(then))
"""

# a supervisor: it forks the server first, starts what it is told on its standard input, and says which process that is
PARENT = """
    import json, os, signal, sys, time
    from steward.processes import fork_server
    from steward.processes.child import python

    fork_server.PRELOADED, fork_server.REPLY_S = (), float(sys.argv[1])
    kept = open(os.devnull)  # that no other process should have
    signal.signal(signal.SIGTERM, lambda *_: None)
    with fork_server.start_fork_server() as server:
        known = {}
        print(server.pid, flush=True)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            if what == "start":
                module, *arguments, fds = arguments
                process = server.launch([sys.executable, "-m", module, *arguments], tuple(fds))
                known[process.pid] = process
                print(process.pid, type(process).__name__, flush=True)
            elif what == "wait":
                print(known[arguments[0]].wait(30), flush=True)
            elif what == "watch":
                server.watch(time.monotonic())
                fork_server.reap_orphans({*known, server.pid})
                print(server.pid, server._check_loaded(), flush=True)
"""


class Parent:
    """A process with a fork server, that is told what to start."""

    def __init__(self, folder: Path, pass_fds: tuple[int, ...] = (), reply_s: float = 60.0) -> None:
        (folder / "forked_program.py").write_text(textwrap.dedent(PROGRAM))
        self.folder = folder
        path = os.pathsep.join([str(folder), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PARENT), str(reply_s), "a command that is long enough for a title"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.server = int(self._read())

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def tell(self, *words: object) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self._read().split()

    def start(self, name: str, then: str, fds: tuple[int, ...] = ()) -> tuple[int, str]:
        pid, kind = self.tell("start", "forked_program", str(self.folder / name), then, list(fds))
        return int(pid), kind

    def wait(self, pid: int) -> int:
        return int(self.tell("wait", pid)[0])

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    parent = Parent(tmp_path)
    yield parent
    parent.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_forked_process_is_as_one_that_was_started(parent: Parent, tmp_path: Path) -> None:
    pid, kind = parent.start("found", "0")
    assert (kind, parent.wait(pid)) == ("ForkedProcess", 0)
    found = json.loads((tmp_path / "found").read_text())
    assert found["argv"] == ["forked_program", str(tmp_path / "found"), "0"] and found["main"] == "forked_program"
    assert (found["pid"], found["parent"], found["session"]) == (pid, parent.process.pid, pid)  # setsid(2)
    assert (found["core"], found["threads"], found["arenas"]) == ([0, 0], 1, "2")
    assert found["frozen"] and found["term"] and found["stdin"] == os.devnull
    assert found["title"] == "forked_program"
    open_there = {int(name) for name in found["fds"]}
    assert len(open_there - {0, 1, 2}) == 1  # the folder that was listed
    of_the_server = set(map(int, os.listdir(f"/proc/{parent.server}/fd")))
    assert {0, 1, 2} < of_the_server and len(of_the_server) == 4  # and its end of the supervisor's connection


def test_two_forks_draw_other_numbers(parent: Parent, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert parent.wait(parent.start(name, "0")[0]) == 0
    one, two = (json.loads((tmp_path / name).read_text())["random"] for name in ("one", "two"))
    assert one != two


def test_its_exit_code_arrives(parent: Parent) -> None:
    """As an interpreter's own (`sys.exit`): of a text 1, of nothing 0. 4 and 5 are `lifeline.report_errors`'s."""
    cases = {"0": 0, "7": 7, "text": 1, "none": 0, "fail": 4, "raise": 5, "interrupt": 1}
    assert {then: parent.wait(parent.start("found", then)[0]) for then in cases} == cases


def test_it_waits_for_its_threads(parent: Parent, tmp_path: Path) -> None:
    assert parent.wait(parent.start("found", "thread")[0]) == 0
    assert (tmp_path / "found.late").exists()


def test_descriptors_keep_their_numbers(tmp_path: Path) -> None:
    """Also the lowest ones, which are those that the server itself uses and receives others under."""
    files = [os.open(tmp_path / f"file-{number}", os.O_CREAT | os.O_RDWR) for number in range(12)]
    parent = Parent(tmp_path, tuple(files))
    try:
        for number in range(0, 12, 2):
            fds = (files[number + 1], files[number])
            assert parent.wait(parent.start(f"found-{number}", "0", fds)[0]) == 0
            found = json.loads((tmp_path / f"found-{number}").read_text())["fds"]
            seen = {int(name): path for name, path in found.items() if path.startswith(str(tmp_path / "file-"))}
            assert seen == {files[n]: str(tmp_path / f"file-{n}") for n in (number, number + 1)}
    finally:
        parent.close()
        for file in files:
            os.close(file)


def test_the_server_may_be_killed(parent: Parent, tmp_path: Path) -> None:
    """What it forked goes on; the next process is started plainly, and those after a new server has loaded, forked."""
    first, _ = parent.start("first", "wait")
    until((tmp_path / "first").exists)
    os.kill(parent.server, signal.SIGKILL)
    until(lambda: not is_running(parent.server))
    _, kind = parent.start("second", "3")
    assert kind == "Popen" and is_running(first)
    until(lambda: (answer := parent.tell("watch"))[0] not in ("None", str(parent.server)) and answer[1] == "True")
    third, kind = parent.start("third", "wait")
    until((tmp_path / "third").exists)
    found = json.loads((tmp_path / "third").read_text())
    assert kind == "ForkedProcess" and found["parent"] == parent.process.pid and is_running(first)
    for pid in (first, third):
        os.kill(pid, signal.SIGTERM)
        assert parent.wait(pid) == -signal.SIGTERM


def test_a_server_that_hangs_is_ended(tmp_path: Path) -> None:
    parent = Parent(tmp_path, reply_s=0.1)
    try:
        os.kill(parent.server, signal.SIGSTOP)
        _, kind = parent.start("found", "0")
        assert kind == "Popen"
        until(lambda: not is_running(parent.server))
    finally:
        parent.close()


def test_the_server_ends_with_the_supervisor(parent: Parent) -> None:
    assert is_running(parent.server)
    parent.process.kill()
    parent.process.wait()
    until(lambda: not is_running(parent.server))


def test_a_process_that_nobody_knows_of_does_not_begin(tmp_path: Path) -> None:
    """As where the server is killed between its fork and its answer: the pipe of the supervisor ends."""
    code = """
        import os, socket, sys, msgspec
        from steward.processes import fork_server
        from steward.processes.lifeline import adopt_orphans
        fork_server.PRELOADED = ()
        assert adopt_orphans()
        server = fork_server.ForkServer()
        server.fork()
        go, tell = os.pipe()
        request = fork_server.ForkRequest("forked_program", [sys.argv[1], "0"], [])
        socket.send_fds(server._connection, [msgspec.json.encode(request)], [go])
        pid = int(server._connection.recv(100))
        os.close(tell)
        print(fork_server.ForkedProcess(pid).wait(30), os.path.exists(sys.argv[1]))
        server.close()
    """
    (tmp_path / "forked_program.py").write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "found")]
    assert subprocess.check_output(command, text=True, env=environment).split() == ["0", "False"]


def test_orphans_that_ended_are_let_go() -> None:
    code = """
        import os, signal, subprocess, sys, time
        from steward.processes.fork_server import reap_orphans
        from steward.processes.lifeline import adopt_orphans
        assert adopt_orphans()
        own = subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"])
        os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
        reap_orphans({own.pid})  # its end is somebody's to ask for
        print(own.wait())
        orphan = int(subprocess.check_output(["sh", "-c", "sleep 0.1 >/dev/null & echo $!"]))
        os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
        reap_orphans(set())
        print(os.path.exists(f"/proc/{orphan}"))
    """
    assert subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True).split() == ["5", "False"]


def test_a_process_with_threads_does_not_fork() -> None:
    """A thread that holds a lock at the fork would never give it back in the new process."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    assert not can_fork()
    ended.set()
    thread.join()
    code = "from steward.processes.fork_server import can_fork; print(can_fork())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"


def test_debuggers_may_have_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_NO_FORK", "1")
    with fork_server.start_fork_server() as server:
        assert server is None


def test_the_wait_for_a_process_ends_in_time() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    forked = ForkedProcess(os.posix_spawn(sys.executable, command, os.environ))
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.05)
    forked.kill()
    assert forked.wait(30) == -signal.SIGKILL == forked.poll()
    forked.kill()  # whoever has its number now is left alone


def test_what_is_preloaded_has_one_thread_when_it_is_loaded() -> None:
    code = "from steward.processes import fork_server; fork_server._load(); print(fork_server.can_fork())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"
    assert [python(name)[2] for name in ("worker", "keeper")] == list(fork_server.PRELOADED)


def test_a_title_is_cut_where_the_command_ends() -> None:
    """proc_pid_cmdline(5): the arguments end with a zero byte; the environment begins behind them."""
    before = Path("/proc/self/cmdline").read_bytes()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            fork_server.set_title("x" * (len(before) + 100))
            os.write(write, Path("/proc/self/cmdline").read_bytes())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read, "rb") as file:
        assert file.read() == b"x" * (len(before) - 1) + b"\0"
    assert Path("/proc/self/cmdline").read_bytes() == before
