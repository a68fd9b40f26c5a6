"""`steward status`: is it up, and would it answer?"""

from __future__ import annotations

import time
from pathlib import Path
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
    ready, standing = is_answering(state["gateway_url"]), ask_standing(folder, state["console_url"])
    if json:
        show_json({"ready": ready, "standing": standing["state"], "sentence": standing["sentence"], **state})
    else:
        _show(state, ready, standing["sentence"])
    if not ready:
        raise typer.Exit(1)


def _show(state: dict[str, Any], ready: bool, sentence: str) -> None:
    from steward.console.status import span

    lasting = span(time.time() - state["started_at"])
    rejected = state["config_error"]
    lines = [
        f"{sentence} Up for {lasting}." if ready else f"Not ready: a request would not be answered now. {sentence}",
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


def ask_standing(home: Path, url: str) -> dict[str, str]:
    """The console's verdict, so that this command and the status page never differ."""
    import json
    import urllib.request

    try:
        token = (home / "run" / "console-token").read_text().strip()
        request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError):
        return {"state": "degraded", "sentence": "The console does not answer."}


def is_answering(url: str) -> bool:
    """Whether the gateway at `url` says that it would answer a request."""
    import urllib.request

    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
