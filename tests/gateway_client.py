"""Asks a deployment's gateway by its key, for tests that need the request's id as well as the answer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from conftest import Deployment


def post(
    deployed: Deployment, path: str, body: dict[str, Any], key: str | None = None
) -> tuple[int, dict[str, Any], str]:
    """Status, answer and x-request-id."""
    headers = {"Authorization": f"Bearer {key or deployed.key}", "Content-Type": "application/json"}
    request = urllib.request.Request(deployed.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers["x-request-id"]
