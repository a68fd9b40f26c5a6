"""`steward status`: is it up, and would it answer?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, read_state, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError, Unavailable
from steward.core.files import quote_path


def status(home: HomeOption = None, json: Annotated[JsonOption, CsvRows("processes")] = False) -> None:
    """Show whether requests are answered, and by what. Exits with 1 if not."""
    folder = find_home(home)
    try:
        state: dict[str, Any] = read_state(folder)
    except Unavailable as error:
        if json:
            show_json({"ready": False, "processes": []})
        else:
            show_lines([f"Not running: {error}"])
        raise typer.Exit(1) from error
    from steward.workflows.gateway_probe import find_problem

    problem = find_problem(state["gateway_url"], state.get("gateway_certificate"))
    standing = ask_standing(folder, state["console_url"], state.get("console_certificate"))
    warning = warn_of_first_key(folder, state["gateway_url"])
    alerts = list_firing(folder)
    if json:
        record = {"ready": problem is None, "problem": problem, "warning": warning, "standing": standing["state"]}
        show_json({**record, "alerts": alerts, "sentence": standing["sentence"], **state})
    else:
        _show(state, problem, standing["sentence"], warning, alerts)
    if problem is not None:
        raise typer.Exit(1)


def _show(
    state: dict[str, Any], problem: str | None, sentence: str, warning: str | None, alerts: list[str] | None
) -> None:
    from steward.console.status import span

    lasting = span(time.time() - state["started_at"])
    rejected = state["config_error"]
    lines = [
        f"{sentence} Up for {lasting}." if problem is None else f"{problem} {sentence}",
        "",
        f"  gateway      {state['gateway_url']}/v1",
        f"  status page  {state['console_url']}",
        f"  models       {', '.join(state['models'])}",
        f"  settings     version {state['config_version']}",
        *([f"  The last configuration change was rejected: {rejected['message']}"] if rejected else []),
        f"  alerts       {say_alerts(alerts)}",
        *([f"  Warning: {warning}"] if warning else []),
        "",
    ]
    show_lines(lines)
    rows = [
        [item["name"], item["state"], item["pid"] and str(item["pid"]), item["restarts"]] for item in state["processes"]
    ]
    show_table(["process", "state", "pid", "restarts"], rows)


def list_firing(home: Path) -> list[str] | None:
    """Rules that fire now; None: the store does not say."""
    from steward.workflows.alerting import list_alerts

    try:
        return [alert.rule for alert in list_alerts(home, open_only=True)]
    except (Unavailable, InputError):
        return None


def say_alerts(rules: list[str] | None) -> str:
    """
    >>> say_alerts([]), say_alerts(["error-burn"])
    ('none firing', '1 firing: error-burn')
    """
    if rules is None:
        return "not known, since the store does not answer"
    return f"{len(rules)} firing: {', '.join(rules[:5])}" if rules else "none firing"


def ask_standing(home: Path, url: str, certificate: str | None = None) -> dict[str, str]:
    """The console's verdict, so that this command and the status page never differ."""
    import json
    import urllib.error
    import urllib.request

    from steward.core.fetch import open_url

    file = home / "run" / "console-token"
    try:
        token = file.read_text().strip()
        request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"Bearer {token}"})
        with open_url(request, 15, certificate) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            sentence = f"The console refuses {file}, which was changed: restart `steward up`, which writes it anew."
            return {"state": "degraded", "sentence": sentence}
        return {"state": "degraded", "sentence": f"The console fails with status {error.code}."}
    except (OSError, ValueError, InputError):
        return {"state": "degraded", "sentence": "The console does not answer."}


def is_answering(url: str, certificate: str | None = None) -> bool:
    """Whether the gateway at `url` says that it would answer a request."""
    from steward.workflows.gateway_probe import find_problem

    return find_problem(url, certificate) is None


def warn_of_first_key(home: Path, url: str) -> str | None:
    """A warning where a key lies in plain text on a machine whose gateway others can reach; else None.

    >>> warn_of_first_key(Path("/nowhere"), "http://0.0.0.0:8080") is None
    True
    """
    from urllib.parse import urlsplit

    file = home / "first-key"
    if not file.exists() or urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost"):
        return None
    where = f"{file} holds a key in plain text, and the gateway listens beyond this machine."
    return f"{where} Store it, then: rm {quote_path(file)}"
