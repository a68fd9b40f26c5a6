"""The README's tour, run for real: `python scripts/tour.py` rewrites its output blocks from a fresh deployment.

A block follows a mark such as `<!-- tour:2 -->`. In a `console` block the lines after `$ ` are run and what
follows each is its output; in a `python` block the trailing comment is. `make up` stands for the deployment that the
tour starts. Addresses and secrets are shown as a newcomer's: ports 8080 and 8081, `stw_live_…`.
With --check nothing is written; it ends with 1 where a command fails or its output has another shape.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- tour:(\d+) -->\n```(console|python)\n)(.*?)(```\n)", re.S)


class Tour:
    """A fresh deployment, and what a newcomer types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "up.log"
        self.asked = 0
        self.environment = {**os.environ, "PATH": f"{self._bin()}:{os.environ['PATH']}"}
        with self.log.open("w") as log:
            command = ["steward", "up", "--port", "0", "--console-port", "0", "--workers", "2"]
            self.up = subprocess.Popen(
                command, cwd=folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        while "Stop: Ctrl-C" not in self.log.read_text():
            if self.up.poll() is not None:
                raise SystemExit(self.log.read_text())
            time.sleep(0.05)
        state = json.loads((folder / ".steward/run/state.json").read_text())
        self.gateway, self.console = state["gateway_url"], state["console_url"]
        self.key = (folder / ".steward/first-key").read_text()
        self.token = (folder / ".steward/run/console-token").read_text()

    def _bin(self) -> Path:
        """`steward` and `python` as the tour's shell finds them."""
        place = self.folder / "bin"
        place.mkdir()
        for name, arguments in (("steward", "-m steward "), ("python", "")):
            (place / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments}"$@"\n')
            (place / name).chmod(0o755)
        return place

    def stop(self) -> None:
        self.up.send_signal(signal.SIGINT)
        self.up.wait(60)

    def run(self, command: str) -> str:
        """The output of one shell command, as a newcomer would see it. :raises SystemExit: it failed"""
        if command == "make up":
            return self._hidden(self.log.read_text())
        if command.startswith(("steward usage", "steward tail")):
            while json.loads(self._shell("steward usage --json"))["requests"] < self.asked:
                time.sleep(0.1)  # the keeper settles five times a second
        self.asked += command.startswith(("curl", "python", "steward chat"))
        return self._hidden(self._shell(self._real(command)))

    def _shell(self, command: str) -> str:
        ended = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        if ended.returncode:
            raise SystemExit(f"$ {command}\n{ended.stdout}{ended.stderr}exit {ended.returncode}")
        return ended.stdout

    def _real(self, text: str) -> str:
        text = text.replace("http://127.0.0.1:8080", self.gateway).replace("http://127.0.0.1:8081", self.console)
        return text.replace("stw_live_…", self.key)

    def _hidden(self, text: str) -> str:
        text = text.replace(self.gateway, "http://127.0.0.1:8080").replace(self.console, "http://127.0.0.1:8081")
        text = text.replace(self.token, "…").replace(str(self.folder), ".")
        text = re.sub(r"stw_live_[A-Za-z0-9_]+", "stw_live_…", text)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@contextlib.contextmanager
def deployed() -> Iterator[Tour]:
    with tempfile.TemporaryDirectory() as folder:
        tour = Tour(Path(folder))
        try:
            yield tour
        finally:
            tour.stop()


def commands(block: str) -> list[tuple[str, str]]:
    """Each command of a console block (continued lines joined by their backslash) and the output under it."""
    found: list[tuple[str, str]] = []
    continued = False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif continued:
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        continued = (line.startswith("$ ") or continued) and line.endswith("\\")
    return found


def console_block(tour: Tour, block: str) -> str:
    parts = []
    for command, _ in commands(block):
        output = tour.run(command).strip("\n")
        parts.append(f"$ {command}\n" + (f"{output}\n" if output else ""))
    return "\n".join(parts)


def python_block(tour: Tour, block: str) -> str:
    """The code, and what it prints as a comment under it."""
    code = re.sub(r"(?:^# .*\n)+\Z", "", block, flags=re.M)
    (tour.folder / "ask.py").write_text(tour._real(code))
    return code + "".join(f"# {line}\n" for line in tour.run("python ask.py").splitlines())


def walk(text: str, tour: Tour) -> str:
    """The README with every output block as this deployment gives it."""

    def anew(match: re.Match[str]) -> str:
        make = console_block if match[3] == "console" else python_block
        return match[1] + make(tour, match[4]) + match[5]

    return BLOCK.sub(anew, text)


def shape(text: str) -> list[str]:
    """The tour's blocks without what differs from run to run: numbers, names made at random, the model's words."""
    lines = []
    for match in BLOCK.finditer(text):
        if match[3] == "python":
            lines += [re.sub(r"^# .*", "# …", line) for line in match[4].splitlines()]
            continue
        for command, output in commands(match[4]):
            lines.append(f"$ {command}")
            lines += ["…"] if command.startswith("steward chat") else [skeleton(line) for line in output.splitlines()]
    return lines


def skeleton(line: str) -> str:
    """
    >>> skeleton('{"id": "chatcmpl-Xy1", "n": 12}'), skeleton("starter   12   3")
    ("{'id': 'str', 'n': 'int'}", 'starter 0 0')
    """
    if line.startswith("{"):
        return str(types(json.loads(line)))
    line = re.sub(r"req_[0-9a-f]+", "req_0", re.sub(r"keys revoke \S+", "keys revoke ID", line))
    line = re.sub(r"up for .*", "up for a while", line)
    return re.sub(r"\s+", " ", re.sub(r"[0-9][0-9.,:]*", "0", line)).strip()


def types(value: object) -> object:
    if isinstance(value, dict):
        return {name: types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [types(inner) for inner in value[:1]]
    return "number" if isinstance(value, float) else type(value).__name__


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    written = README.read_text()
    with deployed() as tour:
        seen = walk(written, tour)
    if not given.check:
        README.write_text(seen)
    elif shape(seen) != shape(written):
        differing = [f"- {old}\n+ {new}" for old, new in zip(shape(written), shape(seen), strict=False) if old != new]
        raise SystemExit("the README's tour has another shape; run python scripts/tour.py\n" + "\n".join(differing))


if __name__ == "__main__":
    main()
