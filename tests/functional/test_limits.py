"""Limits over real processes: two workers, a mock upstream, keys with limits of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Deployment, inside, until

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def slow_mock() -> Iterator[str]:
    """40 chunks at 25 ms: a stream lasts a second."""
    command = [sys.executable, str(ROOT / "benchmarks" / "mock_upstream.py"), "--chunks", "40", "--gap-ms", "25"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def limited(slow_mock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("limited")
    (folder / "steward.yaml").write_text(
        f"""
models:
  - {{name: mock, backend: openai, url: '{slow_mock}', price: {{input: 1000, output: 10000}}}}
  - {{name: free, backend: openai, url: '{slow_mock}', upstream_model: mock}}
  - {{name: narrow, backend: openai, url: '{slow_mock}', upstream_model: mock}}
limits:
  teams: {{shop: {{requests_per_minute: 3}}}}
  models: {{narrow: {{concurrent: 1}}}}
"""
    )
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def key(deployment: Deployment, *options: str) -> str:
    made = json.loads(
        inside("keys", "create", "--name", "t", *options, "--home", str(deployment.home), "--json").stdout
    )["key"]
    until(lambda: all(ask(deployment, made, models=True)[0] == 200 for _ in range(8)))
    time.sleep(1)  # by then both workers know it; one of them may have answered all eight
    return str(made)


def ask(
    deployment: Deployment, key: str, model: str = "mock", models: bool = False, **body: Any
) -> tuple[int, str, dict[str, str]]:
    path = "/v1/models" if models else "/v1/chat/completions"
    data = None if models else json.dumps({"model": model, "messages": HI, **body}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(deployment.url + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode(), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def test_sixty_four_clients_over_two_workers_get_exactly_a_hundred(limited: Deployment) -> None:
    one = key(limited, "--rpm", "100")
    started = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        statuses = Counter(status for status, _, _ in pool.map(lambda _: ask(limited, one), range(320)))
    assert time.monotonic() - started < 55, "the machine is too slow to fit the test into one window"
    assert statuses == {200: 100, 429: 220}


def test_tokens_are_settled_with_what_was_used(limited: Deployment) -> None:
    """The mock's answer uses 9 tokens: 20 requests that reserve 60 fit into 200, one after the other."""
    one = key(limited, "--tpm", "200")
    for _ in range(18):
        status, text, headers = ask(limited, one, max_tokens=30)
        assert status == 200, text
        assert int(headers["x-ratelimit-limit-tokens"]) == 200
    status, text, headers = ask(limited, one, max_tokens=100)
    assert status == 429 and json.loads(text)["error"]["type"] == "tokens" and int(headers["retry-after"]) >= 1
    assert "needs" in json.loads(ask(limited, one, max_tokens=1000)[1])["error"]["message"]


def test_requests_at_the_same_time(limited: Deployment) -> None:
    one = key(limited, "--concurrent", "2")
    with ThreadPoolExecutor(6) as pool:
        statuses = Counter(status for status, _, _ in pool.map(lambda _: ask(limited, one, stream=True), range(6)))
    assert statuses == {200: 2, 429: 4}
    until(lambda: ask(limited, one)[0] == 200)


def test_a_team_shares_its_limit(limited: Deployment) -> None:
    one, two = key(limited, "--team", "shop"), key(limited, "--team", "shop")
    statuses = [ask(limited, which)[0] for which in (one, two, one, two)]
    assert statuses == [200, 200, 200, 429]
    assert "team 'shop'" in ask(limited, one)[1]


def test_a_models_limit_holds_for_all_keys(limited: Deployment) -> None:
    one, two = key(limited), key(limited)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, limited, one, "narrow", stream=True)
        time.sleep(0.4)
        assert ask(limited, two, "narrow")[0] == 429
        assert first.result()[0] == 200


def test_money_needs_a_price(limited: Deployment) -> None:
    one = key(limited, "--usd-per-day", "5")
    status, text, _ = ask(limited, one, "free", max_tokens=5)
    assert status == 400 and json.loads(text)["error"]["code"] == "model_has_no_price"


def test_money_of_a_day(limited: Deployment) -> None:
    """7 tokens in at 1,000 and 2 out at 10,000 USD a million are 0.027 USD."""
    one = key(limited, "--usd-per-day", "0.07")
    assert [ask(limited, one, max_tokens=2)[0] for _ in range(3)] == [200, 200, 429]
    _, text, headers = ask(limited, one, max_tokens=2)
    assert json.loads(text)["error"]["type"] == "insufficient_quota" and headers["x-should-retry"] == "false"


def test_a_stream_that_runs_past_its_budget_is_cut_off(limited: Deployment) -> None:
    """0.15 USD are 15 tokens at 10,000 USD a million: of 40 chunks it gets no more, whatever it declared."""
    one = key(limited, "--usd-per-day", "0.15")
    status, text, _ = ask(limited, one, stream=True, max_tokens=4)
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert status == 200 and events[-1] == "[DONE]"
    error = json.loads(events[-2])["error"]
    assert error["code"] == "budget_exceeded"
    assert 4 <= sum('"content"' in event for event in events) <= 15
    rows = until(lambda: [row for row in tail(limited) if row["outcome"] == "truncated"])
    assert rows[0]["output_tokens"] <= 16


def test_usage_by_team(limited: Deployment) -> None:
    made = key(limited, "--team", "billing")
    assert ask(limited, made)[0] == 200

    def rows() -> dict[str, int]:
        shown = json.loads(inside("usage", "--by", "team", "--home", str(limited.home), "--json").stdout)
        return {row["name"]: row["requests"] for row in shown["by"]}

    until(lambda: rows().get("billing") == 1)


def tail(deployment: Deployment) -> list[dict[str, Any]]:
    shown = inside("tail", "-n", "200", "--home", str(deployment.home), "--json").stdout
    return [json.loads(line) for line in shown.splitlines()]


def test_the_plan_holds_no_secret(limited: Deployment) -> None:
    plan = json.loads((Path(limited.home) / "run" / "plan.json").read_text())
    assert "store_url" not in plan and plan["store"] is None
