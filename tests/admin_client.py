"""The administrative API of a home, asked without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from console_client import ask, snapshot, source
from steward.console.api import PREFIX, build_api
from steward.console.app import build
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.core.extend import RequestSender
from steward.core.identity import ALL_RIGHTS, Principal, Right, operator
from steward.core.records import LimitSpec
from steward.security.authenticator import KeyAuthenticator
from steward.workflows import keys
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys


def create(home: Path, rights: frozenset[Right] = ALL_RIGHTS, tenant: str = "default", name: str = "admin") -> str:
    terms = KeyTerms(rights=rights, expires_at=None)
    return keys.create(home, name, LimitSpec(), 1.0, actor=operator(0), terms=terms, tenant=tenant).key


def app_of(home: Path) -> Any:
    known = WorkerKeys(find_deployment(home))
    authenticator = KeyAuthenticator(known.find)

    async def find_by_key(sender: RequestSender) -> Principal:
        await known.refresh()
        return authenticator.authenticate(sender).principal

    operations = list_operations(home)
    api = build_api(operations, "1")
    return build(snapshot, Sessions("token"), lambda: "", find_by_key, api, source=source(home))


def call(app: Any, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = msgspec.json.encode(body) if body is not None else b""
    status, _, text = ask(
        app, method, PREFIX + path, data, authorization=f"Bearer {key}", content_type="application/json"
    )
    return status, json.loads(text)
