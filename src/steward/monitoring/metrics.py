"""Prometheus text for all workers, from the same settled rows as usage and billing.

Format: Prometheus exposition format 0.0.4. The only label is the model's configured name, so that the
number of series is bounded by the configuration.
"""

from __future__ import annotations

from steward.core.records import Usage


def render(usage: Usage) -> str:
    """Counters over all settled requests, by model.

    >>> print(render(Usage(requests=0, input_tokens=0, output_tokens=0, usd=0.0, errors=0)).splitlines()[0])
    # HELP steward_requests_total Settled requests.
    """
    lines: list[str] = []
    for name, text, field in (
        ("steward_requests_total", "Settled requests.", "requests"),
        ("steward_request_errors_total", "Settled requests that were not ok.", "errors"),
        ("steward_input_tokens_total", "Input tokens of settled requests.", "input_tokens"),
        ("steward_output_tokens_total", "Output tokens of settled requests.", "output_tokens"),
        ("steward_cost_usd_total", "Cost of settled requests in US dollars.", "usd"),
    ):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
        lines += [f'{name}{{model="{_escape(row.name)}"}} {getattr(row, field)}' for row in usage.by]
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
