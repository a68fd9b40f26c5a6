"""The console of a home, asked without a server by whoever has which rights."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from console_client import ask, snapshot
from steward.adapters.stores.sql import SqlStore
from steward.console.app import build
from steward.console.sessions import Sessions
from steward.console.source import ConsoleSource
from steward.core.extend import RequestSender
from steward.core.identity import ALL_RIGHTS, Principal, Right, operator
from steward.core.records import Snapshot
from steward.workflows import keys
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.plan import ServePlan, read_plan

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
HOSTILE = "<script>alert(1)</script>\"'&"


class HomeConsole:
    """Whoever asks is the person `anna` with the `rights` that are named."""

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = lambda: NOW,
        read_snapshot: Callable[[], Snapshot] = snapshot,
    ) -> None:
        self.home = home
        with keys.open_keys(find_deployment(home), clock()):
            pass  # the store has its tables
        self.store: SqlStore = find_deployment(home).open_store()
        self.source = ConsoleSource(
            home=home, store=self.store, plan=self.read_plan, snapshot=read_snapshot, clock=clock
        )
        self._app = build(read_snapshot, Sessions("token"), lambda: "", self._find, source=self.source)
        self._who = operator(0)

    def read_plan(self) -> ServePlan:
        return read_plan(self.home / "run" / "plan.json")

    async def _find(self, sender: RequestSender) -> Principal:
        return self._who

    def ask(
        self,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        rights: frozenset[Right] = ALL_RIGHTS,
        tenant: str = "default",
        body: bytes = b"",
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        self._who = Principal(kind="person", id="anna", tenant=tenant, rights=rights, auth_method="session")
        data = urlencode(form).encode() if form is not None else body
        return ask(self._app, method, path, data, authorization="Bearer stw_live_anna", **headers)

    def get(self, path: str, **more: Any) -> str:
        """The text of a page that opens."""
        status, _, page = self.ask("GET", path, **more)
        assert status == 200, (status, page)
        return page

    def post(self, path: str, form: dict[str, str], **more: Any) -> tuple[int, str, str]:
        """Status, where it leads, and the page."""
        status, headers, page = self.ask("POST", path, form, **more)
        return status, headers.get("location", ""), page


def read_text(page: str) -> str:
    """What a reader sees: without tags, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).strip()


def read_hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in fields}
