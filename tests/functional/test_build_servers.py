"""What build servers get: JUnit's XML, annotations, pytest's plugin; and what a run would cost, before it runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import STEWARD, inside, served, until

SUITE = 'name: sums\ndata: items.jsonl\nid: id\nprompt: "q {number}"\nmetrics: [exact_match]\n'
LIMIT = "parameters: {max_tokens: 50}\n"
CHECKS = "checks: [{name: right, kind: MFT, at_least: 0.9}]\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = [{"id": i, "number": i, "references": [f"a {i}"]} for i in range(1, 11)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "suite.yaml").write_text(SUITE + LIMIT + CHECKS)
    return tmp_path / "suite.yaml"


def test_a_run_and_its_checks_write_junit_and_tell_github(suite: Path, upstream: str) -> None:
    """`weak` misses 5 and 10: two of ten items, and a check that wants nine."""
    environment = {**os.environ, "GITHUB_ACTIONS": "true"}
    for command, failures, code in (("run", 2, 0), ("checks", 1, 1)):
        xml = suite.parent / f"{command}.xml"
        arguments = ["eval", command, str(suite), "--model", "weak", "--url", upstream, "--junit", str(xml)]
        done = subprocess.run(
            [*STEWARD, *arguments, "--out", str(suite.parent / command)],
            capture_output=True,
            text=True,
            env=environment,
        )
        root = ET.parse(xml).getroot()
        assert (done.returncode, root.get("failures")) == (code, str(failures)), done.stderr
        assert done.stderr.count("::error title=steward eval") == failures and "::error" not in done.stdout


GREEN = '<testsuite name="old" tests="1" failures="0" errors="0" skipped="0"><testcase name="all"/></testsuite>'


def read_junit(path: Path) -> tuple[int, int, str]:
    """Failures, errors, and the text of both."""
    root = ET.parse(path).getroot()
    cases = root.findall("testcase")
    assert root.tag == "testsuite" and int(root.get("tests", "")) == len(cases) > 0
    told = [found.get("message", "") for case in cases for found in (*case.findall("failure"), *case.findall("error"))]
    assert len(told) == int(root.get("failures", "")) + int(root.get("errors", ""))
    return int(root.get("failures", "")), int(root.get("errors", "")), "; ".join(told)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("load run {url} --model m --rate 50 --requests 3", 4),
        ("load sweep {url} --model m --rates 5 --step 1s", 4),
        ("load find-max {url} --model m --slo ttft<1s --trial 1s", 4),
        ("load run {url} --model m --rate 50 --slo ttft<500", 2),  # refused before it begins
        ("eval run {suite} --model m --url {url} --out {suite}.run", 4),
        ("eval checks {suite} --model m --url {url} --out {suite}.checks", 4),
        ("eval gate --baseline {suite} --candidate {suite} --policy {suite}", 2),
    ],
)
def test_l3_a_command_that_fails_replaces_the_green_file_of_an_earlier_run(
    suite: Path, command: str, code: int
) -> None:
    """Nothing listens on port 9 of this machine (discard, RFC 863)."""
    xml = suite.parent / "junit.xml"
    xml.write_text(GREEN)
    words = command.format(url="http://127.0.0.1:9/v1", suite=suite).split()
    done = subprocess.run([*STEWARD, *words, "--junit", str(xml)], capture_output=True, text=True)
    failures, errors, why = read_junit(xml)
    assert done.returncode == code and (failures, errors) == (0, 1), done.stderr
    assert why and why[:40] in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    "command",
    [
        "load run {url} --model weak --rate 1 --requests 500",
        "eval run {suite} --model weak --url {url} --out {suite}.run --concurrency 1",
        "eval checks {suite} --model weak --url {url} --out {suite}.checks --concurrency 1",
    ],
)
def test_l3_a_run_that_is_interrupted_or_killed_is_no_pass(
    suite: Path, hanging: str, command: str, number: signal.Signals
) -> None:
    xml = suite.parent / "junit.xml"
    xml.write_text(GREEN)
    words = command.format(url=hanging, suite=suite).split()
    running = subprocess.Popen([*STEWARD, *words, "--junit", str(xml)], stderr=subprocess.PIPE, text=True)
    until(lambda: "finished" in xml.read_text())
    running.send_signal(number)
    running.communicate(timeout=60)
    failures, errors, why = read_junit(xml)
    assert running.returncode != 0 and failures == 0 and errors >= 1
    assert "interrupted" in why if number == signal.SIGINT else "was killed before it had a result" in why


def test_dry_run_asks_nothing_and_estimates(suite: Path, upstream: str) -> None:
    """10 items of 3 to 4 characters and 4 tokens of template each; at most 50 out; at 1 and 10 USD a million."""
    command = ["eval", "run", str(suite), "--model", "m", "--out", str(suite.parent / "none"), "--dry-run"]
    prices = ["--input-price", "1", "--output-price", "10", "--seconds-per-answer", "16"]
    found = json.loads(inside(*command, *prices, "--json").stdout)
    assert (found["items"], found["requests"], found["output_tokens"], found["seconds"]) == (10, 10, 500, 10.0)
    assert found["cost_usd"] == pytest.approx((found["input_tokens"] + 10 * 500) / 1e6)
    assert not (suite.parent / "none").exists()
    said = inside(*command).stdout
    assert "nothing was asked" in said and "unknown; give --input-price" in said


def test_pytest_collects_evaluations(suite: Path, upstream: str) -> None:
    """0.8 of the items are right: enough for 0.75, not for 0.9. What cannot be tested is told before anything is
    asked, and without a traceback."""
    text = f"suite: suite.yaml\nmodel: weak\nurl: {upstream}\n"
    for bounds, code, said in (
        ("least: {exact_match: 0.75}\nmost: {exact_match: 0.85}", 0, "2 passed"),
        ("least: {exact_match: 0.9}", 1, "exact_match 0.8000, expected 0.9 at least, 95 % interval"),
        ("most: {exact_match: 0.7}", 1, "exact_match 0.8000, expected 0.7 at most, 95 % interval"),
        ("least: {}", 2, "no metric is tested; give one a bound: least: {exact_match: 0.8}"),
        ("least: {exact_macth: 0.9}", 2, "did you mean 'exact_match'"),
        ("lest: {exact_match: 0.9}", 2, "lest"),
    ):
        (suite.parent / "test_support.eval.yaml").write_text(text + bounds)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "pytest", "-p", "no:steward", "-p", "steward.cli.pytest_plugin", "-q"]
        done = subprocess.run(command, cwd=suite.parent, capture_output=True, text=True, env=environment)
        assert done.returncode == code and said in done.stdout, done.stdout + done.stderr
        assert "Traceback" not in done.stdout and ".py:" not in done.stdout
