"""`/metrics` of a running deployment, read by a parser of its own and by promtool."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from conftest import Deployment, deploy_mock, inside, until

LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: they count all requests."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


def scrape(one: Deployment) -> str:
    with urllib.request.urlopen(f"{one.console_url}/metrics", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text: str = answer.read().decode()
    return text


def total(text: str, name: str, label: str = "") -> float:
    found = (LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    return sum(float(item[3]) for item in found if item and item[1] == name and label in (item[2] or ""))


def ask(one: Deployment, model: str, key: str | None = None, stream: bool = False) -> int:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or one.key}"}
    request = urllib.request.Request(f"{one.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def settle(one: Deployment) -> str:
    """The metrics once all that was admitted has settled."""
    until(lambda: total(scrape(one), "steward_open_requests") == 0)
    return scrape(one)


def test_metrics_equal_usage_and_name_outcomes(deployed: Deployment) -> None:
    for model, expected in (("mock", 200), ("safe", 200), ("mock-error", 500), ("gone", 502)):
        assert ask(deployed, model) == expected
    assert ask(deployed, "mock", stream=True) == 200
    until(lambda: deployed.usage()["requests"] == 5)
    text, usage = settle(deployed), deployed.usage()
    assert total(text, "steward_requests_total") == total(text, "gen_ai_server_request_duration_seconds_count") == 5
    assert total(text, "gen_ai_client_token_usage_sum", 'type="input"') == usage["input_tokens"]
    assert total(text, "gen_ai_client_token_usage_sum", 'type="output"') == usage["output_tokens"]
    assert total(text, "steward_requests_total", 'outcome="upstream_error",status_class="5xx"') == 2
    assert total(text, "gen_ai_server_time_to_first_token_seconds_count") == 1
    assert total(text, "gen_ai_server_time_per_output_token_seconds_count") == 1
    assert total(text, "gen_ai_client_operation_duration_seconds_count", 'error_type="no_answer"') >= 2
    assert total(text, "steward_process_up") == 4 and total(text, "steward_config_version") == 1


def test_what_was_turned_away_is_counted_by_reason_and_never_by_what_the_client_wrote(deployed: Deployment) -> None:
    assert ask(deployed, "mock", key="stw_wrong_secret") == 401
    assert ask(deployed, "a-name-that-a-client-made-up") == 404
    text = until(
        lambda: "invalid_api_key" in (t := scrape(deployed)) and "model_not_found" in t and t
    )  # of two workers
    assert total(text, "steward_turned_away_total", 'reason="invalid_api_key"') == 1
    assert total(text, "steward_turned_away_total", 'reason="model_not_found"') == 1
    assert "made-up" not in text and "stw_wrong" not in text


def test_no_counter_falls_when_processes_die(deployed: Deployment) -> None:
    before = settle(deployed)
    for name in ("worker-0", "keeper", "console"):
        pid = deployed.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda name=name, pid=pid: deployed.pid(name) not in (None, pid))
    until(lambda: ask(deployed, "mock") == 200)

    def after() -> str | None:
        try:
            text = scrape(deployed)
        except OSError:
            return None
        return text if total(text, "steward_requests_total") > total(before, "steward_requests_total") else None

    now = until(after)
    for line in before.splitlines():
        name = line.partition("{")[0]
        if name.endswith(("_total", "_count", "_bucket", "_sum")) and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            assert any(s.startswith(f"{series} ") and float(s.rpartition(" ")[2]) >= float(value)
                       for s in now.splitlines()), series  # fmt: skip
    assert total(now, "steward_process_restarts_total") >= 3


def test_promtool_checks_the_metrics_of_a_deployment(deployed: Deployment) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(deployed), capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_another_machine_needs_the_token(deployed: Deployment) -> None:
    written = deployed.home / "run" / "metrics-token"
    until(written.exists)  # by the console, which starts beside the gateway
    token = written.read_text()
    address, away = f"{deployed.console_url}/metrics", {"X-Forwarded-For": "10.0.0.9"}
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(urllib.request.Request(address, headers=away), timeout=60)
    refused.value.close()
    given = urllib.request.Request(address, headers={**away, "Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(given, timeout=60) as answer:
        assert answer.status == 200


def test_k13_csv_says_what_json_says(deployed: Deployment) -> None:
    assert ask(deployed, "mock") == 200
    home = ("--home", str(deployed.home))
    for command, field in (("usage", "by"), ("keys list", ""), ("status", "processes"), ("audit tail", "")):
        record = json.loads(inside(*command.split(), *home, "--json").stdout)
        rows = record[field] if field else record
        table = list(csv.DictReader(io.StringIO(inside(*command.split(), *home, "--csv").stdout)))
        assert len(table) == len(rows) > 0 and [list(row) for row in table] == [list(row) for row in rows]
    until(lambda: deployed.usage()["requests"])
    first = json.loads(inside("tail", "-n", "1", *home, "--json").stdout)
    [row] = csv.DictReader(io.StringIO(inside("tail", "-n", "1", *home, "--csv").stdout))
    assert row["request_id"] == first["request_id"] and row["input_tokens"] == str(first["input_tokens"])
    refused = inside("usage", *home, "--csv", "--json")
    assert refused.returncode == 2 and "--csv and --json" in refused.stderr
