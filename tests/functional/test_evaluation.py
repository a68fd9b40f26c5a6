"""`steward eval run` against a real server: retried, resumed, cached, and honest about what failed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import STEWARD, inside, served, until
from steward import starter

SUITE = """name: sums
data: items.jsonl
id: id
prompt: "q {number}"
metrics: [exact_match, token_f1]
slices: [kind]
must_pass: {metric: exact_match, items: ["1", "2"]}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    yield from served("tests/answering_upstream.py", "--delay-ms", "20")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = [
        {"id": i, "number": i, "kind": "even" if i % 2 == 0 else "odd", "references": [f"a {i}"]} for i in range(1, 201)
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path / "suite.yaml"


def evaluate(suite: Path, model: str, url: str, out: str, *more: str) -> tuple[int, Any]:
    done = inside(
        "eval", "run", str(suite), "--model", model, "--url", url, "--out", str(suite.parent / out), "--json", *more
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def asked(url: str) -> int:
    with urllib.request.urlopen(f"{url}/count") as answer:
        return int(answer.read())


def test_tools_and_metrics_of_ones_own(suite: Path, upstream: str) -> None:
    """A function beside the suite adds one to what the model sends; another likes answers that end in an odd digit."""
    folder = suite.parent
    (folder / "mine.py").write_text(
        "def add_one(number):\n    return number + 1\n\n"
        "def is_odd(answer, item):\n    return None if item['id'] == '4' else int(answer[-1]) % 2 == 1\n"
    )
    rows = [{"id": i, "number": i, "calls": [{"name": "add_one", "arguments": {"number": i}}]} for i in range(1, 5)]
    (folder / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    suite.write_text(
        "name: tools\ndata: items.jsonl\nid: id\nprompt: 'q {number}'\nreferences: calls\n"
        "metrics: [tool_calls, {name: python@odd, options: {function: 'mine.py:is_odd'}}]\n"
        "tools: [{name: add_one, function: 'mine.py:add_one'}]\n"
    )
    code, found = evaluate(suite, "acting", upstream, "tools")
    calls, odd = found["scores"]
    assert (calls["value"], calls["n"]) == (1.0, 4) and (odd["value"], odd["n"]) == (pytest.approx(1 / 3), 3)
    assert code == 0 and "python@odd, 4: the function returned None" in found["unscored"][0]
    assert inside("eval", "report", str(folder / "tools")).returncode == 0
    assert "add_one({&quot;number&quot;: 2})" in (folder / "tools" / "report.html").read_text()


def test_a_run_is_scored_with_its_slices(suite: Path, upstream: str) -> None:
    """`weak` misses what 5 divides: 40 of 200, half of them even; Wilson of 160 in 200 is [.739, .850]."""
    code, found = evaluate(suite, "weak", upstream, "a")
    exact = found["scores"][0]
    manifest = json.loads((suite.parent / "a" / "manifest.json").read_bytes())
    assert manifest["seed"] == 12345 and manifest["signatures"][0].startswith("exact_match|")
    assert code == 0 and (exact["value"], exact["n"]) == (0.8, 200)
    assert (exact["low"], exact["high"]) == pytest.approx((0.7391, 0.8495), abs=1e-4)
    assert {(row["name"], row["score"]["value"]) for row in found["slices"]} >= {("even", 0.8), ("odd", 0.8)}


def test_a_killed_run_goes_on_and_ends_the_same(suite: Path, slow: str) -> None:
    code, _ = evaluate(suite, "weak", slow, "whole")
    before, out = asked(slow), suite.parent / "killed"
    command = [*STEWARD, "eval", "run", str(suite), "--model", "weak", "--url", slow, "--out", str(out)]
    process = subprocess.Popen([*command, "--concurrency", "2"], stdout=subprocess.DEVNULL)
    until(lambda: (out / "answers.jsonl").exists() and (out / "answers.jsonl").read_bytes().count(b"\n") > 20)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with (out / "answers.jsonl").open("ab") as file:
        file.write(b'{"id":"1","predic')  # what a kill in the middle of a write leaves
    assert code == 0 and not (out / "results.json").exists()
    assert evaluate(suite, "weak", slow, "killed")[0] == 0
    assert (out / "results.json").read_bytes() == (suite.parent / "whole" / "results.json").read_bytes()
    assert asked(slow) - before <= 202  # none that was kept is asked again; two were on their way


def test_what_fails_once_is_asked_again(suite: Path, upstream: str) -> None:
    code, found = evaluate(suite, "starting", upstream, "b", "--concurrency", "64")
    assert code == 0 and found["scores"][0]["value"] == 1.0 and not found["errored"]


def test_what_fails_for_ever_is_named_and_not_scored(suite: Path, upstream: str) -> None:
    """5 % of the items: the metric is over the other 190, and the command says that the world failed."""
    code, found = evaluate(suite, "broken", upstream, "c", "--concurrency", "64")
    assert code == 4 and len(found["errored"]) == 10 and found["errored"][0] == "20: HTTP 503: loading"
    assert (found["scores"][0]["value"], found["scores"][0]["n"], found["scores"][0]["errored"]) == (1.0, 190, 10)


def test_e15_a_wrong_model_or_key_is_asked_once(suite: Path, upstream: str) -> None:
    before = asked(upstream)
    done = inside("eval", "run", str(suite), "--model", "refusing", "--url", upstream, "--out", str(suite.parent / "d"))
    assert done.returncode == 4 and "HTTP 401: no such key; no other item was asked" in done.stderr
    assert asked(upstream) - before == 1


def test_e15_a_dead_address_ends_at_once(suite: Path) -> None:
    more = ("--url", "http://127.0.0.1:9", "--retries", "0", "--out", str(suite.parent / "d"))
    done = inside("eval", "run", str(suite), "--model", "m", *more)
    assert done.returncode == 4 and done.stderr.count("connection failed") == 1 and done.stdout == ""


def test_e15_equal_failures_are_counted(suite: Path, upstream: str) -> None:
    """A refusal that may be the item's is not repeated, and is asked of every item."""
    before = asked(upstream)
    more = ("--url", upstream, "--out", str(suite.parent / "f"), "--limit", "5")
    done = inside("eval", "run", str(suite), "--model", "failing", *more)
    assert done.returncode == 4 and "failed: 5 items, first 1: HTTP 400: no such item" in done.stdout
    assert asked(upstream) - before == 5


def test_e13_answers_that_were_cut_off_are_counted(suite: Path, upstream: str) -> None:
    code, found = evaluate(suite, "cut", upstream, "g", "--limit", "8")
    assert code == 0 and found["truncated"] == 2 and "2 of 8 answers were cut off" in found["warnings"][0]


def test_e02_a_stream_gives_what_an_answer_gives(suite: Path, upstream: str) -> None:
    _, whole = evaluate(suite, "right", upstream, "h", "--limit", "3")
    _, streamed = evaluate(suite, "right", upstream, "i", "--limit", "3", "--stream", "--timeout", "20")
    assert streamed["scores"] == whole["scores"] and whole["scores"][0]["value"] == 1.0


def test_e02_the_time_to_wait_is_an_option(suite: Path, slow: str) -> None:
    shown = inside("eval", "run", "--help").stdout
    assert "--timeout" in shown and "1800" in shown and "--retries" in shown


def test_the_cache_answers_a_second_run(suite: Path, upstream: str) -> None:
    cache = ("--cache", str(suite.parent / "cache"))
    _, first = evaluate(suite, "right", upstream, "e", *cache)
    before = asked(upstream)
    _, second = evaluate(suite, "right", upstream, "f", *cache)
    assert first == second and asked(upstream) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("q {number}", "q {numbr}"), "item '1' has no field 'numbr'"),
        (("exact_match, token_f1", "exact_mtch"), "did you mean 'exact_match'"),
        (('"2"]', '"999"]'), "must_pass names '999'"),
        (("id: id", "id: kind"), "id 'odd' appears twice"),
        (("slices", "slises"), "slises"),
        (("items.jsonl", "gone.jsonl"), "gone.jsonl: No such file"),
        (("id: id", "id: id\nreferences: number"), "item '1', metric exact_match: a reference is int"),
    ],
)
def test_a_wrong_suite_is_named(suite: Path, change: tuple[str, str], said: str) -> None:
    suite.write_text(SUITE.replace(*change))
    done = inside(
        "eval", "run", str(suite), "--model", "m", "--url", "http://127.0.0.1:9", "--out", str(suite.parent / "x")
    )
    assert done.returncode == 2 and said in done.stderr


def test_a_folder_of_another_run_is_left_alone(suite: Path, upstream: str) -> None:
    evaluate(suite, "right", upstream, "g", "--limit", "3")
    done = inside("eval", "run", str(suite), "--model", "weak", "--url", upstream, "--out", str(suite.parent / "g"))
    assert done.returncode == 2 and "a different run (model, items, data_sha256" in done.stderr


def test_compare_and_gate(suite: Path, upstream: str) -> None:
    """`weak` loses a fifth of the answers: refused; against itself it passes; over other items it is exit 2."""
    folder = suite.parent
    evaluate(suite, "right", upstream, "good")
    evaluate(suite, "weak", upstream, "bad")
    evaluate(suite, "right", upstream, "short", "--limit", "100")
    (folder / "gate.yaml").write_text("metrics: [{name: exact_match, margin: 0.03, slices: [kind]}]\n")
    done = inside(
        "eval", "compare", str(folder / "good"), str(folder / "bad"), "--json", "--html", str(folder / "c.html")
    )
    assert len(json.loads(done.stdout)["wholes"][0]["worse"]) == 40
    assert "I do not know" in (folder / "c.html").read_text()
    policy = ("--policy", str(folder / "gate.yaml"), "--baseline", str(folder / "good"))
    done = inside("eval", "gate", *policy, "--candidate", str(folder / "bad"), "--junit", str(folder / "j.xml"))
    assert done.returncode == 1 and "exact_match where kind is odd" in done.stdout
    assert "<failure" in (folder / "j.xml").read_text()
    assert inside("eval", "gate", *policy, "--candidate", str(folder / "good")).returncode == 0
    done = inside("eval", "gate", *policy, "--candidate", str(folder / "short"))
    assert done.returncode == 2 and "item '101' differs" in done.stderr


def test_gate_of_a_run_without_any_answer_is_the_worlds_failure(suite: Path, upstream: str) -> None:
    folder = suite.parent
    evaluate(suite, "right", upstream, "good", "--limit", "5")
    evaluate(suite, "failing", upstream, "none", "--limit", "5")
    (folder / "gate.yaml").write_text("metrics: [{name: exact_match, margin: 0.03}]\n")
    folders = ("--baseline", str(folder / "good"), "--candidate", str(folder / "none"))
    assert inside("eval", "gate", *folders, "--policy", str(folder / "gate.yaml")).returncode == 4


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("calling", "10: the content of the answer is NoneType, expected text"),
        ("listing", "10: the content of the answer is list, expected text"),
        ("garbled", "10: the server answered HTTP 200 without a chat completion"),
    ],
)
def test_answers_that_are_no_text_are_errors_not_zeros(suite: Path, upstream: str, model: str, said: str) -> None:
    code, found = evaluate(suite, model, upstream, model, "--limit", "40")
    exact = found["scores"][0]
    assert code == 4 and (exact["value"], exact["n"], exact["errored"]) == (1.0, 36, 4)
    assert found["errored"][0] == said and len(found["errored"]) == 4


def test_a_candidate_that_fails_for_a_twentieth_does_not_pass(suite: Path, upstream: str) -> None:
    """All that it did answer is right; what it did not is no pass, and no loss."""
    folder = suite.parent
    suite.write_text(SUITE.replace("must_pass", "# must_pass"))
    evaluate(suite, "right", upstream, "whole")
    evaluate(suite, "broken", upstream, "holes", "--concurrency", "64")
    (folder / "gate.yaml").write_text("metrics: [{name: exact_match, margin: 0.2}]\n")
    policy = ("--baseline", str(folder / "whole"), "--policy", str(folder / "gate.yaml"))
    done = inside("eval", "gate", *policy, "--candidate", str(folder / "holes"), "--json")
    guards = {guard["name"]: guard for guard in json.loads(done.stdout)["guards"]}
    assert done.returncode == 3 and guards["exact_match"]["verdict"] == "passed"
    assert "190 of 200 items" in guards["coverage of exact_match"]["why"]


def test_a_spoilt_line_and_other_data_are_named(suite: Path, upstream: str) -> None:
    folder = suite.parent
    for name, limit in (("k", "4"), ("l", "3")):
        evaluate(suite, "right", upstream, name, "--limit", limit)
    done = inside("eval", "compare", str(folder / "k"), str(folder / "l"))
    assert done.returncode == 2 and "different data (item '4' differs)" in done.stderr
    lines = (folder / "l" / "answers.jsonl").read_text().splitlines(keepends=True)
    (folder / "l" / "answers.jsonl").write_text(lines[0] + "{\n" + "".join(lines[1:]))
    done = inside("eval", "compare", str(folder / "k"), str(folder / "l"))
    assert done.returncode == 2 and "answers.jsonl:2: not an answer" in done.stderr


def test_repeats_show_the_models_own_noise(suite: Path, upstream: str) -> None:
    """By hand: 50 of 200 items are right once in two, variance 1/2 each, so 1/8 within an item in the mean."""
    suite.write_text(SUITE + "repeats: 2\n")
    code, found = evaluate(suite, "moody", upstream, "h")
    exact = found["flakes"][0]
    assert code == 0 and (exact["metric"], exact["items"], exact["flaky"]) == ("exact_match", 200, 50)
    assert exact["within"] == pytest.approx(0.125) and exact["low"] < 0.125 < exact["high"]
    assert found["scores"][0]["value"] == pytest.approx(0.875)


def test_latency_and_cost_are_metrics(suite: Path, slow: str) -> None:
    """By hand: 3 tokens in and 2 out at 1 and 4 USD a million are 11 millionths; the server takes 20 ms."""
    costs = 'metrics: [exact_match, latency, {name: in_time, options: {seconds: "30"}}, '
    costs += '{name: cost, options: {input: "1", output: "4"}}]'
    suite.write_text(SUITE.replace("metrics: [exact_match, token_f1]", costs))
    code, found = evaluate(suite, "right", slow, "i", "--limit", "30", "--cache", str(suite.parent / "cache"))
    values = {score["metric"]: score for score in found["scores"]}
    assert code == 0 and values["cost"]["value"] == pytest.approx(11e-6) and values["in_time"]["value"] == 1.0
    assert 0.02 <= values["latency"]["low"] <= values["latency"]["value"] <= values["latency"]["high"]
    _, found = evaluate(suite, "right", slow, "j", "--limit", "30", "--cache", str(suite.parent / "cache"))
    assert (found["scores"][1]["value"], found["scores"][1]["unscored"]) == (None, 30)  # a cache takes no time


def test_the_shipped_model_answers_in_this_process(tmp_path: Path) -> None:
    """No gateway runs. The manifest holds the model's hash, so that another file under its name is another run."""
    arguments = ("eval", "run", "starter", "--backend", "embedded", "--limit", "20", "--out", str(tmp_path / "r"))
    done = inside(*arguments, "--model", "starter", "--json")
    found, manifest = json.loads(done.stdout), json.loads((tmp_path / "r" / "manifest.json").read_bytes())
    assert done.returncode == 0 and found["scores"][0]["value"] > 0.8 and found["scores"][0]["errored"] == 0
    assert manifest["model_sha256"] == hashlib.sha256(starter.path().read_bytes()).hexdigest()
    (tmp_path / "other.gguf").write_bytes(starter.path().read_bytes() + b"\0")
    done = inside(*arguments, "--model", str(tmp_path / "other.gguf"))
    assert done.returncode == 2 and "a different run (model, model_sha256 differ" in done.stderr
