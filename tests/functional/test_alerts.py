"""`steward alerts` and `steward drift` as their users run them, and an alert from a failed request to a webhook."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, deploy_mock, inside, until
from http_receiver import Receiver as StatusReceiver
from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import RuleState
from steward.monitoring.conditions import Condition
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.monitoring.messages import make_webhook
from steward.monitoring.rules import DEFAULT_RULES
from steward.workflows.watch import AlertWatch, make_test_alert


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: it has answered next to nothing."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


def write(path: Path, days: float, failing_after: float = 1e9, length: int = 900) -> Path:
    rng = random.Random(3)
    with path.open("w") as file:
        for minute in range(int(days * 1440)):
            failed = minute > failing_after * 1440 and rng.random() < 0.5
            event = {
                "at": 1764547200 + 60 * minute,
                "route": "assistant",
                "model": "m",
                "outcome": "upstream_error" if failed else "ok",
                "status": 502 if failed else 200,
                "prompt_chars": rng.randrange(length, 3 * length),
                "something_else": True,
            }
            file.write(json.dumps(event) + "\n")
    return path


def test_a_backtest_says_what_would_have_fired_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("")
    events = write(tmp_path / "events.jsonl", 1.5, failing_after=1)
    result = inside("alerts", "backtest", "rules.yaml", "--events", str(events), "--json", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    said = json.loads(result.stdout)
    assert said["span_s"] == 1.5 * 86400 and said["pages"] == 1
    (firing,) = [firing for rule in said["rules"] if rule["severity"] == "page" for firing in rule["firings"]]
    assert 0 < firing["start"] - (1764547200 + 86400) < 2 * 3600 and firing["end"] is None and firing["value"] > 0.02
    assert {item["rule"] for item in said["not_judged"]} >= {"satisfaction-down", "refusals-up"}


def test_a_backtest_of_health_is_silent_and_exits_0(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{name: burn, kind: burn_rate, severity: page}]")
    result = inside("alerts", "backtest", "rules.yaml", "--events", str(write(tmp_path / "e", 0.5)), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "0 pages, 0 tickets." in result.stdout


def test_bad_rules_and_no_events_exit_2_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{name: burn, kind: burnrate}]")
    events = write(tmp_path / "e", 0.01)
    unknown = inside("alerts", "backtest", "rules.yaml", "--events", str(events), cwd=tmp_path)
    assert unknown.returncode == 2 and "Invalid value 'burnrate'" in unknown.stderr
    (tmp_path / "rules.yaml").write_text("")
    (tmp_path / "none").write_text("\n")
    empty = inside("alerts", "backtest", "rules.yaml", "--events", "none", cwd=tmp_path)
    assert empty.returncode == 2 and "no event; expected one JSON object a line" in empty.stderr


def test_drift_exits_1_where_something_drifted(tmp_path: Path) -> None:
    before, same = write(tmp_path / "a", 0.2), write(tmp_path / "b", 0.2)
    moved = write(tmp_path / "c", 0.2, length=1300)
    assert inside("drift", "compare", str(before), str(same), cwd=tmp_path).returncode == 0
    result = inside("drift", "compare", str(before), str(moved), "--json", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    said = json.loads(result.stdout)
    assert said["drifted"] and [one["name"] for one in said["features"] if one["drifted"]] == ["prompt_chars"]
    assert set(said["features"][0]) >= {"name", "kind", "effect", "p", "p_adjusted", "drifted"}


def test_a_comparison_that_cannot_tell_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare").write_text('{"at": 1}\nno event\n')
    result = inside("drift", "compare", str(tmp_path / "bare"), str(write(tmp_path / "full", 0.1)))
    assert result.returncode == 0 and "1 lines could not be read." in result.stdout
    assert "Nobody can tell: no feature is known of enough requests on both sides." in result.stdout
    assert "prompt_chars: 0 known on one side; at least 30 are needed" in result.stdout


class Receiver(ThreadingHTTPServer):
    """A webhook's other end."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Receiving)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def kinds(self) -> list[tuple[str, str]]:
        return [(body["alerts"][0]["labels"]["alertname"], body["status"]) for body in self.received]


class _Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


def test_a_failing_upstream_is_told_once_and_handled(receiver: Receiver, upstream: str, tmp_path: Path) -> None:
    """From the first failed request to the webhook, through the ledger, the keeper and the store."""
    (tmp_path / "steward.yaml").write_text(
        "models:\n"
        f"  - {{name: mock, backend: openai, url: '{upstream}'}}\n"
        f"  - {{name: mock-error, backend: openai, url: '{upstream}'}}\n"
        f"monitoring: {{channels: [{{name: hook, kind: webhook, url: '{receiver.url}'}}]}}\n"
    )
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    home = ("--home", str(deployment.home))
    try:
        tested = inside("alerts", "test", *home, "--json")
        assert tested.returncode == 0 and receiver.kinds() == [("test", "firing")]
        for _ in range(20):
            ask(deployment)
        until(lambda: len(receiver.received) > 1, 150)
        assert receiver.kinds()[1:] == [("error-burn", "firing")]
        assert "100.0% of 20 requests failed" in receiver.received[1]["alerts"][0]["annotations"]["description"]
        listed = inside("alerts", "list", *home, "--json")
        assert listed.returncode == 1 and [one["rule"] for one in json.loads(listed.stdout)["alerts"]] == ["error-burn"]
        assert inside("alerts", "ack", "error-burn", *home).returncode == 0
        assert inside("alerts", "silence", "error-burn", "--for", "1h", *home).returncode == 0
        story = json.loads(inside("alerts", "show", "error-burn", *home, "--json").stdout)
        assert story["alert"]["acknowledged_by"].startswith("operator:")
        assert [notice["channel"] for notice in story["notices"]] == ["hook"]
        unknown = inside("alerts", "silence", "error-brun", *home)
        assert unknown.returncode == 2 and "did you mean 'error-burn'" in unknown.stderr
        acts = json.loads(inside("audit", "tail", *home, "--json").stdout)
        assert {"alerts.acknowledge", "alerts.silence"} <= {act["action"] for act in acts}
    finally:
        deployment.stop()


def ask(deployment: Deployment) -> None:
    body = json.dumps({"model": "mock-error", "messages": [{"role": "user", "content": "canary-word"}]}).encode()
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(
            urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers), timeout=30
        ).close()


def test_the_webhook_has_the_fields_of_a_real_alertmanager(receiver: Receiver, tmp_path: Path) -> None:
    """Debian's prometheus-alertmanager tells the same receiver of an alert; ours has all its fields."""
    binary = shutil.which("prometheus-alertmanager")
    if binary is None:
        pytest.skip("no prometheus-alertmanager here")
    (tmp_path / "am.yml").write_text(
        "route: {receiver: r, group_wait: 0s, group_by: [alertname]}\n"
        f"receivers: [{{name: r, webhook_configs: [{{url: '{receiver.url}'}}]}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        binary, f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _is_open(port))
        alert = [{"labels": {"alertname": "a", "severity": "page"}, "annotations": {"summary": "s"}}]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps(alert).encode(), {"content-type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()
        until(lambda: receiver.received)
    finally:
        process.terminate()
        process.wait(30)
    theirs = receiver.received[0]
    ours = make_webhook(make_test_alert(0.0), "firing", "r", "")
    assert set(theirs) <= set(ours) and set(theirs["alerts"][0]) <= set(ours["alerts"][0])
    assert (theirs["version"], theirs["alerts"][0]["endsAt"]) == (ours["version"], ours["alerts"][0]["endsAt"])


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("rule", "span", "said"),
    [
        ("error-burn", "0s", "a silence of 0 s has ended; give it a duration such as --for 1h"),
        ("error-burn", "-1h", "--for '-1h': expected a number and a unit"),
        ("error-burn", "367d", "a silence of 367 days; expected a year at most, such as --for 30d"),
        ("error-burn", "9" * 400 + "d", "expected a year at most"),
        ("error-burn", "nan", "--for 'nan': expected a number and a unit"),
        ("error-brun", "1h", "unknown rule 'error-brun'; did you mean 'error-burn'?"),
        ("external:Down", "1h", "silence it where it comes from"),
    ],
)
def test_a_silence_that_is_none_is_refused_and_not_kept(deployed: Deployment, rule: str, span: str, said: str) -> None:
    home = ("--home", str(deployed.home))
    shown = inside("alerts", "silence", rule, f"--for={span}", *home)
    assert shown.returncode == 2 and said in shown.stderr
    assert json.loads(inside("alerts", "list", *home, "--json").stdout)["silences"] == []


def test_objectives_and_own_history_are_replayed(tmp_path: Path, deployed: Deployment) -> None:
    (tmp_path / "rules.yaml").write_text("slos: [{name: cheap, kind: cost, objective: 0.99, threshold_usd: 0.01}]")
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps({"at": 1764547200 + minute, "usd": 0.5}) + "\n" for minute in range(36_000)))
    result = inside("alerts", "backtest", "rules.yaml", "--events", str(events), "--json", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert {rule["name"] for rule in json.loads(result.stdout)["rules"] if rule["firings"]} >= {"slo-cheap"}
    since = inside("alerts", "backtest", "rules.yaml", "--since", "1h", "--home", str(deployed.home), cwd=tmp_path)
    assert since.returncode in (0, 1, 2), since.stderr  # nothing may have been asked in the last hour
    both = inside("alerts", "backtest", "rules.yaml", "--since", "1h", "--events", str(events), cwd=tmp_path)
    assert both.returncode == 2 and "name either" in both.stderr


def test_a_rule_that_cannot_judge_says_so(deployed: Deployment) -> None:
    """What the keeper will say itself at the next full hour."""
    home, why = ("--home", str(deployed.home)), "fewer than 30 ratings, or 100 earlier ones"
    store = SqlStore(f"sqlite:///{deployed.home / 'steward.db'}")
    unsure = RuleState(rule="satisfaction-down", state="cannot tell", why=why, at=1.0)
    store.alerts.put_rule_states([unsure], [rule.name for rule in DEFAULT_RULES])
    store.close()
    listed = json.loads(inside("alerts", "list", *home, "--json").stdout)["not_judged"]
    assert {"satisfaction-down": why}.items() <= {one["rule"]: one["why"] for one in listed}.items()
    assert "These rules cannot judge now, so their silence says nothing:" in inside("alerts", "list", *home).stdout
    shown = inside("alerts", "show", "satisfaction-down", *home)
    assert shown.returncode == 0 and "satisfaction-down has not fired." in shown.stdout
    assert f"Now: cannot tell: {why}" in shown.stdout
    story = json.loads(inside("alerts", "show", "satisfaction-down", *home, "--json").stdout)
    assert (story["alert"], story["now"]["state"], story["rule"]["severity"]) == (None, "cannot tell", "ticket")
    assert "cannot tell" in inside("alerts", "rules", *home).stdout
    unknown = inside("alerts", "show", "satisfaction-dwn", *home)
    assert unknown.returncode == 2 and "did you mean 'satisfaction-down'?" in unknown.stderr


def test_the_calendar_lists_what_is_served(deployed: Deployment) -> None:
    shown = inside("maintenance", "list", "--home", str(deployed.home), "--json")
    assert shown.returncode in (0, 1), shown.stderr
    entries = json.loads(shown.stdout)
    assert {("model", "mock"), ("evaluation", "mock"), ("baseline", "drift")} <= {
        (one["kind"], one["name"]) for one in entries
    }
    assert "next step" in inside("maintenance", "list", "--home", str(deployed.home)).stdout


def test_features_of_requests_become_a_baseline(deployed: Deployment) -> None:
    early = inside("drift", "baseline", "--since", "1h", "--home", str(deployed.home))
    assert early.returncode == 2 and "a baseline needs 100" in early.stderr
    shown = inside("drift", "show", "--home", str(deployed.home), "--json")
    assert shown.returncode == 3 and json.loads(shown.stdout)["state"] == "cannot tell"


def test_a_channel_that_refuses_is_an_alert_of_its_own_through_its_fallback(tmp_path: Path) -> None:
    """Two real receivers, of which one answers 500 for a while; the clock is the test's, so that nobody waits."""
    first, spare = StatusReceiver(), StatusReceiver()
    first.status = 500
    plan = MonitoringPlan(
        channels=(
            ChannelPlan(name="first", kind="webhook", url=first.url.reveal(), fallback="spare"),
            ChannelPlan(name="spare", kind="webhook", url=spare.url.reveal(), severities=()),
        )
    )
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    full = Condition(rule="disk-filling", severity="page", summary="full", evidence="97 %")
    now = [1_764_547_200.0]
    watch = AlertWatch(store.minutes, store.alerts, plan, [lambda: [full]], lambda: now[0])

    def pass_time(seconds: int) -> None:
        for _ in range(seconds // 5):
            watch.run()
            for sent in list(watch._sending.values()):
                sent.exception(timeout=30)
            now[0] += 5.0
        watch.run()

    def list_told(receiver: StatusReceiver) -> list[tuple[str, str]]:
        return [(body["alerts"][0]["labels"]["alertname"], body["status"]) for _, _, body in receiver.seen]

    try:
        pass_time(60)
        assert list_told(spare) == []  # three tries within 60 s
        pass_time(60)
        assert sorted(list_told(spare)) == [("channel-failing", "firing"), ("disk-filling", "firing")]
        assert set(list_told(first)) == {("disk-filling", "firing")}
        opened = {alert.rule: alert for alert in store.alerts.list_alerts(10, open_only=True)}
        assert opened["channel-failing"].scopes == ("channel first",)
        assert "it answered HTTP 500" in opened["channel-failing"].evidence
        assert "s3cret" not in str(opened["channel-failing"])
        first.status = 200
        pass_time(600)
        assert list_told(first)[-1] == ("disk-filling", "firing")
        assert list_told(spare)[2:] == [("channel-failing", "resolved")]
        assert [alert.rule for alert in store.alerts.list_alerts(10, open_only=True)] == ["disk-filling"]
    finally:
        watch.close()
        store.close()
        for receiver in (first, spare):
            receiver.shutdown()
            receiver.server_close()


def test_alerts_of_a_real_alertmanager_appear_among_ours(deployed: Deployment, tmp_path: Path) -> None:
    """Debian's prometheus-alertmanager sends to the console with a key, groups, and resolves."""
    binary = shutil.which("prometheus-alertmanager")
    if binary is None:
        pytest.skip("no prometheus-alertmanager here")
    home = ("--home", str(deployed.home))
    created = inside("keys", "create", "--name", "alertmanager", "--rights", "alerts.report", *home, "--json")
    assert created.returncode == 0, created.stderr
    key = json.loads(created.stdout)["key"]
    hook = f"{deployed.console_url}/api/v1/alerts/webhook"
    (tmp_path / "am.yml").write_text(
        "route: {receiver: r, group_wait: 0s, group_interval: 1s, group_by: [alertname]}\n"
        f"receivers: [{{name: r, webhook_configs: [{{url: '{hook}', http_config: "
        f"{{authorization: {{credentials: {key}}}}}}}]}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        binary, f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def post(ends_at: str | None = None) -> None:
        alerts = [
            {
                "labels": {"alertname": "NodeDown", "severity": "critical", "instance": instance},
                "annotations": {"summary": "A node is down"},
                **({"endsAt": ends_at} if ends_at else {}),
            }
            for instance in ("a", "b")
        ]
        body, headers = json.dumps(alerts).encode(), {"content-type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", body, headers), timeout=30
        ).close()

    def list_outside() -> list[dict[str, Any]]:
        listed = json.loads(inside("alerts", "list", *home, "--json").stdout)["alerts"]
        return [alert for alert in listed if alert["rule"].startswith("external:")]

    try:
        until(lambda: _is_open(port))
        post()
        until(lambda: [alert["scopes"] for alert in list_outside()] == [["instance=a", "instance=b"]], 60)
        (alert,) = list_outside()
        assert (alert["rule"], alert["severity"], alert["ended_at"]) == ("external:NodeDown", "page", None)
        story = inside("alerts", "show", "external:NodeDown", *home)
        assert "whoever reported it tells people itself" in story.stdout
        post("2020-01-01T00:00:00Z")
        until(lambda: list_outside()[0]["ended_at"] is not None, 60)
        assert len(list_outside()) == 1
    finally:
        process.terminate()
        process.wait(30)
    assert answer_status(hook, b"{}", None) == 401
    assert answer_status(hook, b"{}", deployed.key) == 403  # an inference key may not report
    assert answer_status(hook, b"{}", key) == 400
    assert answer_status(hook, b"x" * (2 << 20), key) == 413


def answer_status(url: str, body: bytes, key: str | None) -> int:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
