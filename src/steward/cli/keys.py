"""`steward keys create|list|revoke`."""

from __future__ import annotations

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
    name: Annotated[str, typer.Option(help="Who or what will use it.")],
    rpm: Annotated[int | None, typer.Option(help="Requests in any 60 seconds.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens per minute, input and output.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Requests at the same time.")] = None,
    usd_per_day: Annotated[float | None, typer.Option(help="Budget of a day (UTC).")] = None,
    usd_per_month: Annotated[float | None, typer.Option(help="Budget of a month (UTC).")] = None,
    team: Annotated[str | None, typer.Option(help="Whose limits apply as well, and who is named in usage.")] = None,
    priority: Annotated[PriorityName, typer.Option(help="In the queue of an overloaded route.")] = PriorityName.normal,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key; it is shown once. All workers accept it within a second."""
    from steward.core.records import LimitSpec
    from steward.workflows import keys

    limits = LimitSpec(
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        concurrent=concurrent,
        usd_per_day=usd_per_day,
        usd_per_month=usd_per_month,
    )
    made = keys.create(_home(home), name, limits, time.time(), team=team, priority=priority.value)
    if json:
        show_json(made)
    else:
        show_lines([made.key, "", f"Shown once: store it now. To end it: steward keys revoke {made.id}"])


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    """List the keys, without secrets."""
    from steward.workflows import keys

    found = keys.list_keys(find_home(home))
    if json:
        show_json(found)
        return
    if not found:
        show_lines(["No key yet. Make one: steward keys create --name me"])
        return
    rows = [
        [key.id, key.name, key.team, key.rpm, key.tpm, key.usd_per_day, _day(key.created_at), _day(key.revoked_at)]
        for key in found
    ]
    show_table(["id", "name", "team", "rpm", "tpm", "USD/day", "created", "revoked"], rows)


def revoke(
    key: Annotated[str, typer.Argument(help="Id or name.")], home: HomeOption = None, json: JsonOption = False
) -> None:
    """End a key; all workers refuse it within a second."""
    from steward.workflows import keys

    ended = keys.revoke(find_home(home), key, time.time())
    if json:
        show_json(ended)
    else:
        show_lines([f"Revoked {ended.id} ({ended.name}); it is refused within a second."])


def _home(given: Path | None) -> Path:
    """Keys may be made before the first `up`."""
    if given is not None and not given.exists():
        given.mkdir(mode=0o700, parents=True)
    return find_home(given)


def _day(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at is not None else ""
