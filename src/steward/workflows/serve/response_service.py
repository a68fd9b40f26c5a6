"""What the endpoints for stored answers do: the store's work, in the name of a key's project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steward.core.identity import Caller
from steward.gateway.response_endpoints import not_stored
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse, answer_of
from steward.security.rootkey import RootKeys
from steward.workflows.response_store import FileResponseStore, delete_for_client


class ResponseService:
    """Every method reads or deletes files and may take a while: call it in a thread."""

    def __init__(self, home: Path, roots: Callable[[], RootKeys], plan: Callable[[], ResponseStorePlan]) -> None:
        self._home, self._roots, self._plan = home, roots, plan

    def find(self, caller: Caller, name: str) -> StoredResponse:
        """:raises Refused: 404 :raises OSError: not readable"""
        digits, plan = answer_of(name), self._plan()
        if digits is not None and name.startswith("resp_") and plan.keep_s:
            owner, store = caller.principal, FileResponseStore(self._home, self._roots, plan)
            stored = store.find(owner.tenant, owner.project, frozenset({digits})).get(digits)
            if stored is not None and stored.rest:
                return stored
        raise not_stored(name, bool(plan.keep_s))

    def delete(self, caller: Caller, name: str) -> None:
        """:raises Refused: 404 :raises OSError: not deletable"""
        self.find(caller, name)
        owner = caller.principal
        if not delete_for_client(self._home, owner.tenant, owner.project, answer_of(name) or ""):
            raise not_stored(name, True)
