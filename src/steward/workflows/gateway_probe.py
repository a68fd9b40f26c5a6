"""What runs in a home, and whether its gateway would answer a request."""

from __future__ import annotations

import json
import os
import urllib.error
from pathlib import Path
from typing import Any

from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.files import spell_home


def read_state(home: Path) -> dict[str, Any]:
    """What the running supervisor wrote. :raises Unavailable: nothing runs, or it was killed"""
    try:
        state: dict[str, Any] = json.loads((home / "run" / "state.json").read_text())
        os.kill(int(state["pid"]), 0)
    except PermissionError:  # it runs, as somebody else
        return state
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(f"no steward is running in {home}; start it with `steward up{spell_home(home)}`") from error
    return state


def ask_gateway(home: Path) -> tuple[bool | None, str]:
    """Whether the gateway that runs in `home` would answer, and why not; None: nothing runs."""
    try:
        state = read_state(home)
    except Unavailable:
        return None, ""
    problem = find_problem(state["gateway_url"], state.get("gateway_certificate"))
    return problem is None, problem or ""


def find_problem(url: str, certificate: str | None = None) -> str | None:
    """Why the gateway at `url` would not answer a request, in its own words; None if it would.

    `certificate`: the file of the one that it is served with.
    """
    try:
        with open_url(f"{url}/readyz", 3, certificate):
            return None
    except urllib.error.HTTPError as error:
        try:
            return str(json.load(error)["error"]["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return f"Not ready: the gateway answers with status {error.code}."
    except OSError as error:
        return f"Not ready: the gateway does not answer ({type(error).__name__})."
    except InputError as error:
        return f"Not ready: {error}"
