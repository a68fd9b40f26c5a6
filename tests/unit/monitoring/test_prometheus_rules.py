"""Rules for Prometheus and a dashboard for Grafana, judged by promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from steward.core.meters import BUCKETS, SERVER_DURATION
from steward.monitoring.metrics import TABLE
from steward.monitoring.prometheus_rules import make_dashboard, make_prometheus_rules
from steward.monitoring.slo import SloPlan

SLOS = (
    SloPlan(name="first-token", kind="ttft", objective=0.9, threshold=0.8, window_days=30, route="assistant"),
    SloPlan(name="up", kind="availability", objective=0.999, window_days=30, model="m"),
    SloPlan(name="liked", kind="satisfaction", objective=0.8),
    SloPlan(name="cheap", kind="cost", objective=0.99, threshold=0.1),
    SloPlan(name="endless", kind="total", objective=0.99, threshold=1e6),
)


def rules() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in make_prometheus_rules(SLOS)["groups"][0]["rules"]}


def run_promtool(*arguments: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def write_rules(folder: Path) -> Path:
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(make_prometheus_rules(SLOS)))
    return file


def test_each_objective_that_prometheus_can_see_has_its_alerts() -> None:
    assert set(rules()) == {
        "StewardErrorBurn", "StewardErrorBurnSlow", "StewardSloFirstTokenSlow", "StewardSloUp", "StewardSloUpSlow",
        "StewardSloFirstToken", "StewardProcessDown", "StewardMetricsGone", "StewardAlertsFiring",
        "StewardStoreGone", "StewardLedgerLagging",
    }  # fmt: skip
    assert 'le=~"1|1.0"' in rules()["StewardSloFirstToken"]["expr"]  # the next bucket after 0.8 s
    assert 'gen_ai_request_model="assistant"' in rules()["StewardSloFirstToken"]["expr"]
    assert 'gen_ai_response_model="m"' in rules()["StewardSloUp"]["expr"]


def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    run_promtool("check", "rules", str(write_rules(tmp_path)))


def test_failures_fire_and_health_and_a_single_failure_do_not(tmp_path: Path) -> None:
    """Ten requests a minute: all fine for two hours, then one in four fails; and one failure in all before."""
    series = 'steward_requests_total{traffic="client",gen_ai_request_model="r",gen_ai_response_model="m",outcome='
    up = {"series": 'steward_process_up{process="keeper"}', "values": "1x240"}
    content = {
        "rule_files": [str(write_rules(tmp_path))],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{series}"ok",status_class="2xx"}}', "values": "0+10x240"},
                    {"series": f'{series}"timeout",status_class="5xx"}}', "values": "0 0 1x118 1+3x120"},
                    up,
                ],
                "alert_rule_test": [
                    {"eval_time": "100m", "alertname": "StewardErrorBurn", "exp_alerts": []},
                    {
                        "eval_time": "200m",
                        "alertname": "StewardErrorBurn",
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": "page"},
                                "exp_annotations": rules()["StewardErrorBurn"]["annotations"],
                            }
                        ],
                    },
                    {"eval_time": "100m", "alertname": "StewardMetricsGone", "exp_alerts": []},
                    {"eval_time": "100m", "alertname": "StewardProcessDown", "exp_alerts": []},
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    run_promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_a_store_that_is_gone_fires_and_what_is_recorded_has_its_values(tmp_path: Path) -> None:
    """Two requests a second, of which one in ten fails; the store goes after ten minutes."""
    series = 'steward_requests_total{traffic="client",gen_ai_request_model="r",outcome='
    first_token = 'gen_ai_server_time_to_first_token_seconds_bucket{traffic="client",gen_ai_request_model="r",le='
    gone = {"exp_labels": {"severity": "page"}, "exp_annotations": rules()["StewardStoreGone"]["annotations"]}
    late = {"exp_labels": {"severity": "ticket"}, "exp_annotations": rules()["StewardLedgerLagging"]["annotations"]}
    records = [
        ("gen_ai_request_model:steward_requests:rate5m", '{gen_ai_request_model="r"}', 2.0),
        ("steward_requests:failed_share5m", "{}", 0.1),
        # all 60 of a minute lie between 1 s and 2 s, of which the 95th percentile is 1.95 s by linear interpolation
        ("gen_ai_request_model:gen_ai_server_time_to_first_token_seconds:p95_5m", '{gen_ai_request_model="r"}', 1.95),
    ]
    content = {
        "rule_files": [str(write_rules(tmp_path))],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{series}"ok"}}', "values": "0+108x40"},
                    {"series": f'{series}"timeout"}}', "values": "0+12x40"},
                    {"series": f'{first_token}"1"}}', "values": "0x40"},
                    {"series": f'{first_token}"2"}}', "values": "0+60x40"},
                    {"series": f'{first_token}"+Inf"}}', "values": "0+60x40"},
                    {"series": "steward_store_up", "values": "1x9 0x30"},
                    {"series": "steward_ledger_lag_seconds", "values": "0x9 0+60x30"},
                ],
                "alert_rule_test": [
                    {"eval_time": "9m", "alertname": "StewardStoreGone", "exp_alerts": []},
                    {"eval_time": "13m", "alertname": "StewardStoreGone", "exp_alerts": [gone]},
                    {"eval_time": "11m", "alertname": "StewardLedgerLagging", "exp_alerts": []},
                    {"eval_time": "14m", "alertname": "StewardLedgerLagging", "exp_alerts": [late]},
                ],
                "promql_expr_test": [
                    {
                        "expr": f"round({name}, 0.0001)",
                        "eval_time": "30m",
                        "exp_samples": [{"labels": labels, "value": value}],
                    }
                    for name, labels, value in records
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    run_promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    dashboard = make_dashboard()
    names = [metric.prometheus for metric in TABLE]
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) == 9
    for panel in dashboard["panels"]:
        (target,) = panel["targets"]
        assert any(name in target["expr"] for name in names), panel["title"]
    assert json.loads(json.dumps(dashboard)) == dashboard


def test_the_dashboard_is_laid_out_three_panels_to_a_row_of_grafana() -> None:
    """Grafana's grid has 24 columns, panels have numbers from 1 on; schema 39 is that of Grafana 10."""
    dashboard = make_dashboard()
    assert dashboard["schemaVersion"] == 39
    assert [panel["id"] for panel in dashboard["panels"]] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]] == [
        (0, 0), (8, 0), (16, 0), (0, 8), (8, 8), (16, 8), (0, 16), (8, 16), (16, 16),
    ]  # fmt: skip
    assert {(panel["gridPos"]["w"], panel["gridPos"]["h"]) for panel in dashboard["panels"]} == {(8, 8)}


def test_a_burn_rate_fires_on_the_share_of_the_budget_that_its_pair_says() -> None:
    """SRE Workbook, table 5-8: 14.4 times the budget over an hour, 6 times over six; of 0.1 %: 1.44 and 0.6 %."""
    expression = rules()["StewardSloUp"]["expr"]
    assert "> 0.0144" in expression and "> 0.006" in expression and "[60m]" in expression and "[5m]" in expression


def test_what_is_slower_than_the_last_bucket_has_no_rule() -> None:
    assert not any("Endless" in name or "Cheap" in name or "Liked" in name for name in rules())
    at_last = SloPlan(name="long", kind="total", objective=0.99, threshold=BUCKETS[SERVER_DURATION][-1])
    names = [rule["alert"] for rule in make_prometheus_rules((at_last,))["groups"][0]["rules"]]
    assert "StewardSloLong" in names
