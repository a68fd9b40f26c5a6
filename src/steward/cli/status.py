"""`steward status`: is it up, and would it answer?"""

from __future__ import annotations

import time
import urllib.request
from typing import Any

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, read_state, show_json, show_lines, show_table


def status(home: HomeOption = None, json: JsonOption = False) -> None:
    """Exit 0 when a request would be answered, else 1."""
    state: dict[str, Any] = read_state(find_home(home))
    ready = _ready(state["gateway_url"])
    if json:
        show_json({"ready": ready, **state})
    else:
        up_s = int(time.time() - state["started_at"])
        word = "Ready" if ready else "Not ready"
        show_lines([f"{word}: {state['gateway_url']}/v1, up {up_s} s; console {state['console_url']}"])
        show_lines([f"Configuration version {state['config_version']}"])
        if state["config_error"]:
            show_lines([f"The last change was not taken: {state['config_error']['message']}"])
        rows = [
            [item["name"], item["state"], item["pid"] and str(item["pid"]), item["restarts"]]
            for item in state["processes"]
        ]
        show_table(["process", "state", "pid", "restarts"], rows)
    if not ready:
        raise typer.Exit(1)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
