"""K9 of issue 15: an interrupt ends with 130 and keeps what is done, a closed pipe ends quietly with 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import STEWARD, leave_out_waiting

LATE = ("--late-budget", "1000")


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    command = [sys.executable, "-m", "steward.processes.echo", '{"first_ms": 5, "gap_ms": 1, "tokens": 3}']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def interrupt(*command: str, after: str, cwd: Path) -> tuple[int, str, str]:
    """Run a command, and interrupt it when a line of its output or errors holds `after`."""
    process = subprocess.Popen(
        [*STEWARD, "load", *command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if after in line:
            os.kill(process.pid, signal.SIGINT)
            break
    rest = process.stdout.read()
    process.stdout.close()
    return process.wait(30), seen, rest


def test_k9_an_interrupted_sweep_keeps_its_steps(echo: str, tmp_path: Path) -> None:
    command = (
        "sweep",
        echo,
        "--model",
        "m",
        "--rates",
        "20,30,40",
        "--step",
        "2s",
        "--warmup",
        "0s",
        "--out",
        "s.json",
    )
    code, _, rest = interrupt(*command, *LATE, after="answers/s", cwd=tmp_path)
    found = json.loads((tmp_path / "s.json").read_text())
    assert code == 130 and "interrupted after 1 step; run the others with --rates 30,40" in rest
    assert found["partial"] and [point["rate"] for point in found["points"]] == [20]


def test_k9_an_interrupted_search_keeps_its_trials(echo: str, tmp_path: Path) -> None:
    command = ("find-max", echo, "--model", "m", "--slo", "ttft_p95<5s", "--trial", "2s", "--start", "20")
    code, _, rest = interrupt(*command, "--warmup", "0s", "--out", "f.json", *LATE, after="req/s", cwd=tmp_path)
    found = json.loads((tmp_path / "f.json").read_text())
    assert code == 130 and found["verdict"] == "interrupted" and found["partial"]
    assert "interrupted" in rest and "inf" not in rest


def test_k9_an_interrupted_selftest_reports_no_infinite_error(tmp_path: Path) -> None:
    code, seen, rest = interrupt("selftest", "--rates", "20,30,40", "--step", "2s", after="good", cwd=tmp_path)
    assert code == 130 and "inf" not in seen + rest.replace("interrupted", "")
    assert "interrupted after 1 of 3 steps; run the others with --rates 30,40" in rest


@pytest.mark.parametrize("command", ["selftest --rates 20 --step 1s", "selftest --help", "--help"])
def test_k9_a_closed_pipe_ends_quietly(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*STEWARD, "load", *command.split()], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert ended.returncode == 0 and leave_out_waiting(ended.stderr) == ""
