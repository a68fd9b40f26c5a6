"""Every command of the tutorials, as a reader types them; output lines that a page shows must come."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import Deployment
from steward.core.load_report import read_load_report
from steward.data.stages import STAGES

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "tutorials"
FILE = re.compile(r"<!-- file:(\S+) -->\n```\w+\n(.*?)```\n", re.S)
CONSOLE = re.compile(r"```console\n(.*?)```\n", re.S)
EITHER = re.compile(f"{FILE.pattern}|{CONSOLE.pattern}", re.S)


def environment(folder: Path) -> dict[str, str]:
    """`steward` and `python` as the page means them."""
    place = folder / "bin"
    place.mkdir()
    for name, arguments in (("steward", "-m steward "), ("python", "")):
        (place / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments}"$@"\n')
        (place / name).chmod(0o755)
    return {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}


def follow(page: str, folder: Path, typed: dict[str, str]) -> None:
    """Type every command of `page`; skip where a load test found this machine too busy to be valid."""
    for block in CONSOLE.findall(page):
        for command, shown in re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*)", block):
            ended = subprocess.run(
                command, shell=True, cwd=folder, env=typed, capture_output=True, text=True, timeout=30
            )
            if ended.returncode == 3 and command.startswith("steward load"):
                pytest.skip("this machine is too busy for a valid load test")
            assert ended.returncode == 0, f"$ {command}\n{ended.stdout}{ended.stderr}"
            assert not set(shown.splitlines()) - set(ended.stdout.splitlines()), f"$ {command}\n{ended.stdout}"


def test_clean_a_data_set(tmp_path: Path) -> None:
    page = (FOLDER / "clean-a-data-set.md").read_text()
    for name, content in FILE.findall(page):
        (tmp_path / name).write_text(content)
    for stage in yaml.safe_load((tmp_path / "pipeline.yaml").read_text())["stages"]:
        if not importlib.util.find_spec(STAGES[stage["use"]].partition(":")[0]):
            pytest.skip(f"the stage {stage['use']} is not there yet")


def test_load_test(tmp_path: Path) -> None:
    """0 or 3 (invalid, unclear) are right here: how late the client is depends on who else uses this machine."""
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    deployment = Deployment(tmp_path / ".steward", "--workers", "1")
    typed = environment(tmp_path)
    try:
        for block in CONSOLE.findall((FOLDER / "load-test.md").read_text()):
            for written in re.findall(r"\$ (.*)\n", block):
                command = written.replace("http://127.0.0.1:8080", deployment.url)
                command = command.replace("http://127.0.0.1:8081", deployment.console_url).replace("10s", "4s")
                ended = subprocess.run(
                    command, shell=True, cwd=tmp_path, env=typed, capture_output=True, text=True, timeout=50
                )
                assert ended.returncode in (0, 1, 3), f"$ {command}\n{ended.stdout}{ended.stderr}"
    finally:
        deployment.stop()
    report = read_load_report(tmp_path / "now.json")
    assert (
        report.answered > 5
        and report.slo == "ttft_p95<500ms"
        and "requests running" in (tmp_path / "now.html").read_text()
    )
    assert len((tmp_path / "now.csv").read_text().splitlines()) == report.sent + 1
