"""`steward keys create|list|revoke`."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table


class PriorityName(StrEnum):
    high = "high"
    normal = "normal"
    low = "low"


def create(
    name: Annotated[str, typer.Option(help="Person or program that will use the key.")],
    rpm: Annotated[int | None, typer.Option(help="Maximum requests per minute.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Maximum tokens per minute, input and output together.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Maximum concurrent requests.")] = None,
    usd_per_day: Annotated[float | None, typer.Option(help="Budget per day (UTC), in US dollars.")] = None,
    usd_per_month: Annotated[float | None, typer.Option(help="Budget per month (UTC), in US dollars.")] = None,
    team: Annotated[str | None, typer.Option(help="Team that the key belongs to; its limits apply too.")] = None,
    project: Annotated[
        str | None, typer.Option(help="Project that the key belongs to; its data is kept apart. Default: `default`.")
    ] = None,
    priority: Annotated[
        PriorityName, typer.Option(help="Priority in the queue when a route is overloaded.")
    ] = PriorityName.normal,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Create a key. It is shown only once and works within a second."""
    from steward.core.identity import operator
    from steward.core.records import LimitSpec
    from steward.workflows import keys

    limits = LimitSpec(
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        concurrent=concurrent,
        usd_per_day=usd_per_day,
        usd_per_month=usd_per_month,
    )
    made = keys.create(
        _ensure_home(home),
        name,
        limits,
        time.time(),
        actor=operator(os.getuid()),
        project=project,
        team=team,
        priority=priority.value,
    )
    if json:
        show_json(made)
    else:
        show_lines([made.key, "", f"Store it now: it is not shown again. To revoke it: steward keys revoke {made.id}"])


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    """List all keys, without their secrets."""
    from steward.workflows import keys

    found = keys.list_keys(find_home(home))
    if json:
        show_json(found)
        return
    if not found:
        show_lines(["No keys yet. Create one with: steward keys create --name me"])
        return
    rows = [
        [
            key.id,
            key.name,
            key.team,
            key.rpm,
            key.tpm,
            key.usd_per_day,
            _format_time(key.created_at),
            _format_time(key.revoked_at),
        ]
        for key in found
    ]
    show_table(["id", "name", "team", "rpm", "tpm", "USD/day", "created", "revoked"], rows)


def revoke(
    key: Annotated[str, typer.Argument(help="Id or name of the key.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke a key. The gateway refuses it within a second."""
    from steward.core.identity import operator
    from steward.workflows import keys

    ended = keys.revoke(find_home(home), key, time.time(), actor=operator(os.getuid()))
    if json:
        show_json(ended)
        return
    show_lines([f"Revoked {ended.id} ({ended.name}); the gateway refuses it within a second."])
    if ended.pending:
        show_lines(
            [
                "The store does not answer, so this holds for this machine only. Other machines accept the key until",
                "the store answers again; `steward up` on this machine then passes the revocation on.",
            ]
        )


def _ensure_home(given: Path | None) -> Path:
    """Create the home if needed: keys may be created before the first `steward up`."""
    if given is not None and not given.exists():
        given.mkdir(mode=0o700, parents=True)
    return find_home(given)


def _format_time(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at is not None else ""
