"""`steward status`: is it up, and would it answer?"""

from __future__ import annotations

import time
from typing import Any

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, read_state, show_json, show_lines, show_table
from steward.core.errors import Unavailable


def status(home: HomeOption = None, json: JsonOption = False) -> None:
    """Exit 0 when a request would be answered, else 1."""
    folder = find_home(home)
    try:
        state: dict[str, Any] = read_state(folder)
    except Unavailable as error:
        if json:
            show_json({"ready": False, "processes": []})
        else:
            show_lines([f"Not running: {error}"])
        raise typer.Exit(1) from error
    ready = answers(state["gateway_url"])
    if json:
        show_json({"ready": ready, **state})
    else:
        _show(state, ready)
    if not ready:
        raise typer.Exit(1)


def _show(state: dict[str, Any], ready: bool) -> None:
    from steward.console.status import span

    lasting = span(time.time() - state["started_at"])
    rejected = state["config_error"]
    lines = [
        f"Ready, up for {lasting}" if ready else "Not ready: a request would not be answered now",
        "",
        f"  gateway      {state['gateway_url']}/v1",
        f"  status page  {state['console_url']}",
        f"  models       {', '.join(state['models'])}",
        f"  settings     version {state['config_version']}",
        *([f"  The last configuration change was rejected: {rejected['message']}"] if rejected else []),
        "",
    ]
    show_lines(lines)
    rows = [
        [item["name"], item["state"], item["pid"] and str(item["pid"]), item["restarts"]] for item in state["processes"]
    ]
    show_table(["process", "state", "pid", "restarts"], rows)


def answers(url: str) -> bool:
    """Whether the gateway at `url` says that it would answer a request."""
    import urllib.request

    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
