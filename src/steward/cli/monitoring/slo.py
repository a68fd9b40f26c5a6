"""`steward slo status`: error budgets and burn rates."""

from __future__ import annotations

from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, OnlyTenantOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows


def status(
    tenant: OnlyTenantOption = None, home: HomeOption = None, json: Annotated[JsonOption, CsvRows("slos")] = False
) -> None:
    """Show what is left of each error budget. Exits with 1 if one is spent or burning."""
    from steward.workflows.slo import read_slo_status

    objectives = read_slo_status(find_home(home), tenant=tenant)
    if json:
        show_json({"slos": objectives})
    elif not objectives:
        show_lines(["No objectives. Add one under slos in steward.yaml, such as",
                    "slos: [{name: answers, kind: availability, objective: 0.99}]"])  # fmt: skip
    else:
        rows = [
            [
                one.name,
                one.state,
                f"{one.objective:.4g}",
                None if one.good_share is None else f"{one.good_share:.4%}",
                None if one.budget_left is None else f"{one.budget_left:.0%}",
                *(None if rate is None else f"{rate:.1f}" for rate in one.burn_rates.values()),
                f"{one.window_days} d",
            ]
            for one in objectives
        ]
        burns = [f"burn {name}" for name in objectives[0].burn_rates]
        show_table(["objective", "state", "wanted", "good", "budget left", *burns, "window"], rows)
        show_lines(f"{one.name}: {one.why}" for one in objectives if one.state != "met")
    if any(one.state in ("budget spent", "burning") for one in objectives):
        raise typer.Exit(1)
