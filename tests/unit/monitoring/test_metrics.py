from __future__ import annotations

import shutil
import subprocess

import pytest

from steward.core.meters import MeterRow
from steward.core.records import FeedbackSum
from steward.monitoring.metrics import (
    TABLE,
    Deployment,
    Process,
    Sample,
    deployment_samples,
    feedback_samples,
    render,
)

SEEN = Deployment(
    version="1.0", started_at=1.5, config_version=3, config_refused=True, open_requests=2,
    processes=(Process("worker-0", True, 0), Process("keeper", False, 4)),
)  # fmt: skip
ROWS = [
    MeterRow("tokens", (("route", "r"), ("token", "input")), part, value)
    for part, value in (("4.0", 2.0), ("16.0", 1.0), ("inf", 1.0), ("sum", 5e8))
]


def test_buckets_cumulate_up_to_the_count() -> None:
    lines = [line.rpartition(" ") for line in render(ROWS).splitlines() if "_bucket" in line]
    assert [int(value) for _, _, value in lines] == [0, 2, *[3] * 12, 4]
    assert lines[1][0].endswith('{gen_ai_request_model="r",gen_ai_token_type="input",le="4"}')
    assert 'gen_ai_client_token_usage_count{gen_ai_request_model="r",gen_ai_token_type="input"} 4' in render(ROWS)


def test_calls_to_models_name_the_provider_and_what_has_no_value_is_left_out() -> None:
    rows = [MeterRow("client_duration", (("target", "big"), ("error", "")), "sum", 2.5)]
    assert '_sum{gen_ai_request_model="big",gen_ai_provider_name="openai"} 2.5' in render(rows, (), {"big": "openai"})


def test_label_values_are_escaped() -> None:
    """Exposition format 0.0.4: backslash, double quote and line feed."""
    assert r'{outcome="a\\b\"c\nd"} 1' in render([], [Sample("requests", 1, (("outcome", 'a\\b"c\nd'),))])


def test_no_name_stands_for_two_metrics() -> None:
    for field in ("id", "prometheus"):
        assert len({getattr(metric, field) for metric in TABLE}) == len(TABLE)


def test_otel_names_become_prometheus_names_by_its_rule() -> None:
    """Dots to underscores, the unit s spelled out, a unit in braces left out."""
    for metric in TABLE:
        if metric.otel is not None:
            unit = "" if metric.otel.endswith("usage") else "_seconds"
            assert metric.prometheus == metric.otel.replace(".", "_") + unit


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    said = [FeedbackSum(route="r", model=None, sentiment="negative", count=2, magnitude=1.5)]
    text = render(ROWS, [*deployment_samples(SEEN), *feedback_samples(said)])
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=20)
    assert (checked.returncode, checked.stderr + checked.stdout) == (0, "")
