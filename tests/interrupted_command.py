"""Runs one command again and again, each time in a copy of a folder, and interrupts it at a chosen write.

    python tests/interrupted_command.py SIGINT FOLDER COPIES "data run p.yaml" …

Prints a line of JSON for each run: the write at which it was interrupted (0: it was not), the exit code, what it
printed, and the files that are in the copy. Writes are what the interpreter's audit events tell: files opened to write,
renamed, made or removed, but for compiled modules. A command that polls writes its state as often as it finds something
new, so writes are told apart by what is written, not by how often: an interrupt comes at the same place whenever the
test runs.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

POINTS = 4  # interrupts of one command, spread over its writes
NUMBERS = re.compile(r"[0-9a-f]*\d[0-9a-f]*")  # of processes, parts and runs
DEVICES = re.compile(r"/dev/(?!shm/)|/proc/")  # but for files in memory, where tests may put theirs
WRITES = {"os.rename", "os.mkdir", "os.remove", "os.link", "shutil.copyfile", "subprocess.Popen"}


def watch_writes(folder: Path, on_write: Callable[[int], None]) -> None:
    """Call `on_write` with a number whenever something is written that was not before, from now on."""
    seen: set[tuple[str, str]] = set()
    owner = os.getpid()

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if os.getpid() != owner or (event != "open" and event not in WRITES):
            return
        writes = event in WRITES
        if event == "open" and isinstance(arguments[2], int):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        path = str(arguments[0])
        # compiled modules are written by the first run alone; a number is a file that was opened before
        if not writes or isinstance(arguments[0], int) or DEVICES.match(path) or "__pycache__" in path:
            return
        what = event, NUMBERS.sub("#", os.path.basename(path))
        if what not in seen:
            seen.add(what)
            on_write(len(seen))

    sys.addaudithook(hear)


def run_copy(copy: Path, words: list[str], at: int, number: signal.Signals) -> dict[str, object]:
    """In a process of its own, so that each run begins alike."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        run_here(copy, words, at, number, writer)
    os.close(writer)
    with os.fdopen(reader) as told:
        count, names = json.loads(told.read() or "[0, []]")
    for name in names:  # so that the runs that follow begin with them
        importlib.import_module(name)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    files = {str(path.relative_to(copy)): path.stat().st_size for path in copy.rglob("*") if path.is_file()}
    out, error = (copy.with_suffix(end).read_text() for end in (".out", ".err"))
    return {"at": at, "code": code, "out": out, "error": error, "writes": count, "files": files}


def run_here(copy: Path, words: list[str], at: int, number: signal.Signals, writer: int) -> None:
    from steward.cli.main import main

    os.setsid()
    os.chdir(copy)
    for descriptor, end in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(copy.with_suffix(end), os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    sys.argv, count = ["steward", *words], 0

    def on_write(which: int) -> None:
        nonlocal count
        count = which
        if which == at:
            send = os.killpg if number == signal.SIGINT else os.kill  # as a terminal does, and as a service manager
            send(os.getpid(), number)

    watch_writes(copy, on_write)
    code = 99
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    names = [name for name in sys.modules if name.startswith("steward.")]
    os.write(writer, json.dumps([count, names if at == 0 else []]).encode())
    os._exit(code)


def choose_points(writes: int) -> list[int]:
    """The first and the last write, and some between."""
    return sorted({1 + round(step * (writes - 1) / (POINTS - 1)) for step in range(POINTS)}) if writes else []


def main() -> None:
    number, folder, copies = signal.Signals[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    for index, command in enumerate(sys.argv[4:]):
        words, points = shlex.split(command), [0]
        while points:
            at = points.pop(0)
            copy = copies / f"{index}-{at}"
            shutil.copytree(folder, copy)
            result = run_copy(copy, words, at, number)
            if at == 0:
                points = choose_points(int(str(result["writes"])))
            print(json.dumps({"command": command, **result}), flush=True)


if __name__ == "__main__":
    main()
