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
from steward.cli.main import app
from steward.data.stages import STAGES

FOLDER = Path(__file__).parent.parent.parent / "docs" / "tutorials"
FILE = re.compile(r"<!-- file:(\S+) -->\n```\w+\n(.*?)```\n", re.S)
CONSOLE = re.compile(r"```console\n(.*?)```\n", re.S)


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
    follow(page, tmp_path, environment(tmp_path))


def test_capacity_on_paper(tmp_path: Path) -> None:
    page = (FOLDER / "capacity.md").read_text().partition("## A plan for this machine")[0]
    for name, content in FILE.findall(page):
        (tmp_path / name).write_text(content)
    follow(page, tmp_path, environment(tmp_path))


@pytest.mark.timeout(120)  # a deployment and three load tests: 20 s, on a busy machine a minute
def test_capacity_from_plan_to_calibrated_plan(tmp_path: Path) -> None:
    if "load" not in {group.name for group in app.registered_groups}:
        pytest.skip("steward load is not there yet")
    page = (FOLDER / "capacity.md").read_text().partition("## A plan for this machine")[2]
    deployment = Deployment(tmp_path / ".steward", "--workers", "1")
    try:
        page = page.replace("http://127.0.0.1:8080", deployment.url)
        # a test machine may be busy; whether the client kept its times is not what this page is about
        page = page.replace("--duration 6s", "--duration 2s --late-budget 1000")
        follow(page, tmp_path, environment(tmp_path))
    finally:
        deployment.stop()
