"""`steward metrics query`, `steward slo status` and their operations, over a running deployment."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, deploy_mock, inside, until


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: they count all requests."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


def ask(deployment: Deployment, model: str, key: str | None = None) -> None:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "canary-word"}]})
    headers = {"authorization": f"Bearer {key or deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def query(deployment: Deployment, text: str, *options: str) -> Any:
    answered = inside("metrics", "query", text, "--home", str(deployment.home), "--json", *options)
    assert answered.returncode == 0, answered.stderr
    return json.loads(answered.stdout)


def call_api(deployment: Deployment, key: str, text: str) -> tuple[int, Any]:
    url = f"{deployment.console_url}/api/v1/metrics/query?{urllib.parse.urlencode({'query': text, 'since': '1h'})}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})) as answer:
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_latency_by_model_and_key_from_the_first_requests_on(deployed: Deployment, tmp_path: Path) -> None:
    made = inside("keys", "create", "--name", "ci", "--home", str(deployed.home), "--json")
    key = json.loads(made.stdout)["key"]
    for model, number in (("mock", 3), ("safe", 2)):
        for _ in range(number):
            ask(deployed, model)
    ask(deployed, "mock", key)
    until(lambda: sum(group["count"] for group in query(deployed, "requests")["groups"]) == 6, 60)
    by_route = query(deployed, "ttft p95 by route", "--since", "7d")
    assert {group["labels"]["route"]: group["count"] for group in by_route["groups"]} == {"mock": 4, "safe": 2}
    assert by_route["resolution_s"] == 3600 and by_route["relative_error"] == 0.01
    assert all(0.0 < group["value"] < 10.0 for group in by_route["groups"])
    by_key = query(deployed, "requests by key where key = ci")
    assert [(group["labels"], group["value"]) for group in by_key["groups"]] == [({"key": "ci"}, 1.0)]

    page = tmp_path / "page.html"
    shown = inside("metrics", "query", "total p50 by model", "--home", str(deployed.home), "--html", str(page))
    assert shown.returncode == 0 and "mock" in shown.stdout and "within 1% of the exact ones" in shown.stdout
    assert "<svg" in page.read_text() and "canary-word" not in page.read_text()

    assert call_api(deployed, key, "requests by route")[0] == 403  # it has no right to read usage
    reader = json.loads(
        inside("keys", "create", "--name", "r", "--rights", "usage.read", "--home", str(deployed.home), "--json").stdout
    )["key"]
    until(lambda: call_api(deployed, reader, "requests by route")[0] == 200, 60)
    answer = call_api(deployed, reader, "requests by route")[1]
    assert {group["labels"]["route"]: group["value"] for group in answer["groups"]} == {"mock": 4.0, "safe": 2.0}
    status, problem = call_api(deployed, reader, "requsts by route")
    assert status == 400 and "did you mean 'requests'" in problem["message"]


def test_what_cannot_be_answered_exits_2(deployed: Deployment) -> None:
    home = ("--home", str(deployed.home))
    unknown = inside("metrics", "query", "ttft by modle", *home)
    assert unknown.returncode == 2 and "did you mean 'model'" in unknown.stderr
    span = inside("metrics", "query", "ttft", "--since", "yesterday", *home)
    assert span.returncode == 2 and "since 'yesterday'" in span.stderr
    file = inside("metrics", "query", "ttft", "--html", "/dev/null/page.html", *home)
    assert file.returncode == 2 and "/dev/null/page.html" in file.stderr


@pytest.mark.parametrize(
    ("text", "since", "said"),
    [
        ("weather", "1h", "unknown metric 'weather'. Known: "),
        ("ttft by colour", "1h", "unknown field 'colour'. Known: key, model, route"),
        ("ttft p1e5", "1h", "unknown statistic of ttft 'p1e5'"),
        ('ttft where model = "x\' or 1=1 --"', "1h", 'unknown model "x\' or 1=1 --".'),
        ('ttft where key = "\'; drop table series; --"', "1h", "unknown key '; drop table series; --'"),
        ('ttft where model = "\x1b[31m"', "1h", "unknown model '\\x1b[31m'"),
        ("ttft " * 2000, "1h", "expected at most 500"),
        ("ttft", "0s", "since '0s': expected from 1m to 3660d"),
        ("ttft", "-1h", "since '-1h': expected a number and a unit"),  # it would end in the future
        ("ttft", "3661d", "since '3661d': expected from 1m to 3660d"),
        ("ttft", "9" * 400 + "d", "expected from 1m to 3660d"),
        ("ttft", "nan", "since 'nan': expected a number and a unit"),
    ],
)
def test_oddities_are_named_and_nothing_comes_of_them(deployed: Deployment, text: str, since: str, said: str) -> None:
    ask(deployed, "mock")
    until(lambda: query(deployed, "requests")["groups"])
    shown = inside("metrics", "query", text, f"--since={since}", "--home", str(deployed.home), "--json")
    assert shown.returncode == 2 and said in shown.stderr and "\x1b" not in shown.stderr
    assert len(shown.stderr) < 1500


def test_ten_years_are_one_point_a_day(deployed: Deployment) -> None:
    ask(deployed, "mock")
    until(lambda: query(deployed, "requests")["groups"])
    answer = query(deployed, "requests by model", "--since", "3660d")
    assert answer["resolution_s"] == 86400
    assert all(len(group["points"]) <= 3661 for group in answer["groups"])


@pytest.mark.parametrize("command", ["tail", "alerts list", "audit tail", "evidence list", "approvals list"])
@pytest.mark.parametrize("lines", ["1000000", "9" * 30, "0", "-5"])
def test_no_command_lists_more_than_memory_holds(deployed: Deployment, command: str, lines: str) -> None:
    shown = inside(*command.split(), "-n", lines, "--home", str(deployed.home))
    limit = "less than or equal to 100000" if not lines.startswith(("0", "-")) else "greater than or equal to 1"
    assert shown.returncode == 2 and limit in shown.stderr


def test_an_objective_from_the_settings_to_its_budget(upstream: str, tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text(
        f"models: [{{name: mock, backend: openai, url: '{upstream}'}}]\n"
        "slos:\n"
        "  - {name: fast, kind: ttft, objective: 0.5, threshold_ms: 0.001}\n"
        "  - {name: answers, kind: availability, objective: 0.5}\n"
    )
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    home = ("--home", str(deployment.home))
    try:
        empty = inside("slo", "status", *home)
        assert empty.returncode == 0 and "not enough traffic to judge" in empty.stdout
        for _ in range(6):
            ask(deployment, "mock")

        def read() -> dict[str, Any]:
            shown = inside("slo", "status", *home, "--json")
            assert shown.returncode in (0, 1), shown.stderr
            return {one["name"]: one for one in json.loads(shown.stdout)["slos"]}

        until(lambda: read()["answers"]["total"] == 6, 60)
        answers, fast = read()["answers"], read()["fast"]
        assert (answers["state"], answers["bad"], answers["budget_left"]) == ("met", 0, 1.0)
        assert (fast["state"], fast["bad"], fast["budget_left"]) == ("budget spent", 6, -1.0)
        assert fast["burn_rates"]["1h"] == 2.0
        assert inside("slo", "status", *home).returncode == 1
    finally:
        deployment.stop()


def test_rules_and_a_dashboard_are_written_without_a_deployment_too(tmp_path: Path) -> None:
    rules = inside("alerts", "export", "--prometheus", "--out", str(tmp_path / "rules.yaml"))
    assert rules.returncode == 0 and "StewardErrorBurn" in (tmp_path / "rules.yaml").read_text()
    shown = inside("alerts", "export", "--prometheus", "--json")
    assert json.loads(shown.stdout)["groups"][0]["name"] == "steward"
    assert json.loads(inside("alerts", "export", "--grafana").stdout)["title"] == "steward"
    neither = inside("alerts", "export")
    assert neither.returncode == 2 and "expected one of --prometheus and --grafana" in neither.stderr
