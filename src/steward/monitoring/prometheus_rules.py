"""Alert and recording rules for Prometheus and a dashboard for Grafana, made from what steward's own watch uses.

They read what `/metrics` says (`monitoring/metrics.py`). Prometheus has no exact tests: in their place stands the
minimum number of failures. Rules that compare with earlier days stay with steward.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from steward.core.meters import BUCKETS, SERVER_DURATION, TIME_PER_OUTPUT_TOKEN, TIME_TO_FIRST_TOKEN
from steward.core.minutes import FAILED, NOT_COUNTED
from steward.monitoring.metrics import TABLE
from steward.monitoring.rules import DEFAULT_RULES, BurnRate
from steward.monitoring.slo import SloPlan, make_rules

NAMES: Final = {metric.id: metric.prometheus for metric in TABLE}
_CLIENT: Final = 'traffic="client"'
_FAILED: Final = f'{_CLIENT},outcome=~"{"|".join(sorted(FAILED))}"'
_JUDGED: Final = f'{_CLIENT},outcome!~"{"|".join(sorted(NOT_COUNTED))}"'
_HISTOGRAMS: Final = {"ttft": TIME_TO_FIRST_TOKEN, "total": SERVER_DURATION, "inter_token": TIME_PER_OUTPUT_TOKEN}


def make_prometheus_rules(slos: Sequence[SloPlan]) -> dict[str, Any]:
    """The content of a file of rules: burn rates of failures, of objectives that Prometheus can see, and of steward
    itself. Objectives of costs and ratings have no histogram there and are left out."""
    alerts = [_make_burn(rule, *_count_requests()) for rule in DEFAULT_RULES if isinstance(rule, BurnRate)]
    for plan in slos:
        counted = _count_objective(plan)
        if counted is not None:
            alerts += [_make_burn(rule, *counted) for rule in make_rules([plan])]
    groups = {"steward": [*alerts, *_make_own()], "steward-records": list(_make_records())}
    return {"groups": [{"name": name, "rules": rules} for name, rules in groups.items()]}


def _make_records() -> Iterator[dict[str, str]]:
    """What graphs and rules of one's own ask most, worked out once; names are LEVEL:METRIC:OPERATION, as Prometheus's
    documentation advises (practices/rules)."""
    by = "gen_ai_request_model"
    yield {
        "record": f"{by}:steward_requests:rate5m",
        "expr": f"sum by ({by}) (rate({NAMES['requests']}{{{_CLIENT}}}[5m]))",
    }
    failed, judged = (text.replace("WINDOW", "5m") for text in _count_requests())
    yield {"record": "steward_requests:failed_share5m", "expr": f"{failed} / {judged}"}
    for meter in _HISTOGRAMS.values():
        buckets = f"sum by (le, {by}) (rate({NAMES[meter]}_bucket{{{_CLIENT}}}[5m]))"
        yield {"record": f"{by}:{NAMES[meter]}:p95_5m", "expr": f"histogram_quantile(0.95, {buckets})"}


def _count_requests(labels: str = "") -> tuple[str, str]:
    """Templates for how many failed and how many count within WINDOW."""
    name = NAMES["requests"]
    bad = f"(sum(increase({name}{{{_FAILED}{labels}}}[WINDOW])) or vector(0))"
    return bad, f"sum(increase({name}{{{_JUDGED}{labels}}}[WINDOW]))"


def _count_objective(plan: SloPlan) -> tuple[str, str] | None:
    """Likewise of an objective; None: what `/metrics` says does not tell."""
    names = [("gen_ai_request_model", plan.route), ("gen_ai_response_model", plan.model)]
    labels = "".join(f',{label}="{value}"' for label, value in names if value is not None)
    if plan.kind == "availability":
        return _count_requests(labels)
    meter = _HISTOGRAMS.get(plan.kind)
    if meter is None or plan.threshold is None:
        return None
    bounds, name = BUCKETS[meter], NAMES[meter]
    place = bisect_left(bounds, plan.threshold)
    if place == len(bounds):
        return None
    everything = f"sum(increase({name}_count{{{_CLIENT}{labels}}}[WINDOW]))"
    good = f'sum(increase({name}_bucket{{{_CLIENT}{labels},le=~"{_spell(bounds[place])}"}}[WINDOW]))'
    return f"({everything} - {good})", everything


def _spell(bound: float) -> str:
    """A bucket's bound as `/metrics` has it, and as Prometheus 3 writes it down.

    >>> _spell(1.0), _spell(0.25)
    ('1|1.0', '0.25')
    """
    return "|".join(dict.fromkeys((f"{bound:g}", repr(bound))))


def _make_burn(rule: BurnRate, bad: str, everything: str) -> dict[str, Any]:
    budget = 1.0 - rule.objective
    terms = []
    for long, short, factor in rule.pairs:
        bound = f"{factor * budget:.6g}"
        shares = [f"{bad} / {everything} > {bound}".replace("WINDOW", f"{minutes}m") for minutes in (long, short)]
        terms.append(f"({' and '.join(shares)} and {bad.replace('WINDOW', f'{long}m')} >= {rule.min_failed})")
    return _make_alert(rule.name, " or ".join(terms), rule.severity, rule.summary)


def _make_own() -> list[dict[str, Any]]:
    up, alerts, store, lag = (NAMES[name] for name in ("process_up", "alerts", "store_up", "ledger_lag"))
    return [
        _make_alert("process-down", f"min by (process) ({up}) < 1", "page", "A process of steward is down.", "2m"),
        _make_alert("metrics-gone", f"absent({up})", "page", "The metrics of steward are not scraped any more.", "5m"),
        _make_alert("store-gone", f"{store} < 1", "page", "The store of steward does not answer.", "2m"),
        _make_alert("ledger-lagging", f"{lag} > 60", "ticket", "Requests wait outside the store of steward.", "1m"),
        _make_alert("alerts-firing", f"sum({alerts}) > 0", "ticket", "steward itself has alerts that are firing."),
    ]


def _make_alert(name: str, expression: str, severity: str, summary: str, lasting: str = "0m") -> dict[str, Any]:
    return {
        "alert": "Steward" + "".join(word.capitalize() for word in name.split("-")),
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook": f"steward alerts show {name}"},
    }


def make_dashboard() -> dict[str, Any]:
    """A dashboard for Grafana 10 and later; it asks for its Prometheus when it is imported."""
    panels = [_make_panel(number, *panel) for number, panel in enumerate(_list_panels())]
    return {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}],
        "title": "steward",
        "uid": "steward",
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "panels": panels,
    }


def _list_panels() -> Iterable[tuple[str, str, str, str]]:
    """Title, unit, legend and expression of each."""
    requests, by = NAMES["requests"], "gen_ai_request_model"
    yield "Requests a second", "reqps", f"{{{{{by}}}}}", f"sum by ({by}) (rate({requests}{{{_CLIENT}}}[5m]))"
    failed, judged = (text.replace("WINDOW", "5m") for text in _count_requests())
    yield "Share of requests that fail", "percentunit", "failed", f"{failed} / {judged}"
    for title, meter in (
        ("Time to first token", TIME_TO_FIRST_TOKEN),
        ("Time to the end of the answer", SERVER_DURATION),
        ("Time between tokens", TIME_PER_OUTPUT_TOKEN),
    ):
        rates = f"sum by (le) (rate({NAMES[meter]}_bucket{{{_CLIENT}}}[5m]))"
        yield f"{title}, p95", "s", "p95", f"histogram_quantile(0.95, {rates})"
    tokens = f"{NAMES['tokens']}_sum{{{_CLIENT}}}"
    yield "Tokens a second", "short", "{{gen_ai_token_type}}", f"sum by (gen_ai_token_type) (rate({tokens}[5m]))"
    yield "US dollars an hour", "currencyUSD", "USD", f"sum(rate({NAMES['usd']}{{{_CLIENT}}}[1h])) * 3600"
    yield "Waiting requests", "short", f"{{{{{by}}}}}", NAMES["waiting"]
    yield "Firing alerts", "short", "{{severity}}", NAMES["alerts"]


def _make_panel(number: int, title: str, unit: str, legend: str, expression: str) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"h": 8, "w": 8, "x": 8 * (number % 3), "y": 8 * (number // 3)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, "expr": expression, "legendFormat": legend}],
    }
