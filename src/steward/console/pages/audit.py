"""Audit: who changed what and why, whether the record was altered, and its head to keep elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.handlers import MOST_SAVED, FormProblem, csv_endpoint, describe_problem, show_page
from steward.console.paging import match_words, read_number, write_address
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.acts import AdministrativeAct, RecordedAct
from steward.core.errors import StewardError
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY
from steward.security.audit.verify import LogVerification
from steward.workflows.audit import FoundActs, audit_folder, find_acts
from steward.workflows.audit_proof import describe_verification, verify_deployment
from steward.workflows.evidence import record_finding

ROWS: Final = 50
COLUMNS: Final = ("entry", "at", "actor", "action", "subject", "before", "after", "reason")
KINDS: Final = ("keys", "people", "access", "config", "prompts", "approvals", "check", "alerts", "privacy", "audit")


def page(source: ConsoleSource) -> Page:
    async def show(
        request: Request,
        who: Principal,
        problem: FormProblem | None = None,
        verification: LogVerification | None = None,
    ) -> Response:
        def compute() -> dict[str, Any]:
            return _find(source, request, who)

        return await show_page(
            source, request, who, "audit.html", compute, problem, verification=verification, kinds=KINDS
        )

    async def verify(request: Request, who: Principal) -> Response:
        """What it proves is kept as evidence, as by `steward audit verify`."""
        try:
            verification = await asyncio.to_thread(_verify, source, who)
        except StewardError as error:
            return await show(request, who, describe_problem(error))
        return await show(request, who, None, verification)

    async def send_checkpoint(request: Request, who: Principal) -> Response:
        file = audit_folder(source.home) / CHECKPOINT
        if not file.exists():
            return PlainTextResponse("nothing has been recorded yet", status_code=404)
        headers = {"Content-Disposition": 'attachment; filename="checkpoint"'}
        return PlainTextResponse(await asyncio.to_thread(file.read_text, "utf-8"), headers=headers)

    def list_rows(request: Request, who: Principal) -> Sequence[RecordedAct]:
        return _find_acts(source, request.query_params, who, MOST_SAVED).acts

    return Page(
        (
            page_endpoint("/audit", "audit.read", show, tenancy="principal"),
            csv_endpoint("/audit", "audit.read", "principal", COLUMNS, list_rows),
            page_endpoint("/audit/verify", "audit.read", verify, "POST", tenancy="deployment"),
            page_endpoint("/audit/checkpoint", "audit.read", send_checkpoint, tenancy="deployment"),
        ),
        title="Audit",
        group="Govern",
        words="log verify checkpoint who changed",
    )


def _find(source: ConsoleSource, request: Request, who: Principal) -> dict[str, Any]:
    query = dict(request.query_params)
    before = _read_before(query)
    found = _find_acts(source, query, who, ROWS)
    key = audit_folder(source.home) / PUBLIC_KEY
    return {
        "found": found,
        "older": write_address("/audit", query, before=str(found.next_before)) if found.next_before else "",
        "newest": write_address("/audit", query, before="") if before is not None else "",
        "key": key.read_text(encoding="utf-8").strip() if key.exists() else "",
        "whole": who.tenant == DEFAULT_TENANT,
    }


def _read_before(query: Mapping[str, str]) -> int | None:
    return read_number(query.get("before", ""), None)


def _find_acts(source: ConsoleSource, query: Mapping[str, str], who: Principal, limit: int) -> FoundActs:
    words, kind = query.get("words", ""), query.get("state", "")

    def is_wanted(act: AdministrativeAct) -> bool:
        if kind and not act.action.startswith(f"{kind}."):
            return False
        return match_words(words, act.actor, act.action, act.subject, act.before, act.after)

    tenant = None if who.kind == "operator" else who.tenant
    return find_acts(source.home, is_wanted, limit, tenant=tenant, before=_read_before(query))


def _verify(source: ConsoleSource, who: Principal) -> LogVerification:
    verification = verify_deployment(source.home)
    finding = describe_verification(verification, source.home)
    record_finding(source.home, finding, who, ("steward", "audit", "verify"), source.clock)
    return verification
