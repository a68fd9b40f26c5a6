"""Evaluations, Data, Load and capacity: what was run and proved, listed and filtered, each with its report.

A report is read from where the proof says that its run lies, and only if steward's own name for it stands there. It is
sent under a policy that lets nothing in it run or ask anybody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.paging import match_words, take_page
from steward.console.shell import Handler, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.core.endpoint import Endpoint
from steward.core.errors import UnknownName
from steward.core.evidence import Evidence
from steward.core.identity import Principal

MOST: Final = 10_000  # proofs that one page looks through
MOST_REPORT: Final = 4 << 20  # bytes
COLUMNS: Final = (
    *("id", "check", "subject", "verdict", "value", "expected", "produced_at", "valid_until", "signer", "source"),
    "command",
)
VERDICTS: Final = ("pass", "fail", "cannot tell")
STYLES: Final = {"pass": "pass", "fail": "bad", "cannot tell": "tell"}
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"


class ProofPage(NamedTuple):
    """A page that lists proofs. `kinds`: check to what people call it; `commands`: what makes the first ones."""

    path: str
    title: str
    kinds: Mapping[str, str]
    explanation: str
    commands: tuple[str, ...]


Describe = Callable[[ConsoleSource, Principal, Evidence | None], Mapping[str, Any]]


def list_proof_endpoints(
    source: ConsoleSource, about: ProofPage, template: str, describe: Describe
) -> tuple[Endpoint[Handler[Principal]], ...]:
    """`describe` adds what stands on the page beside the list, or of one proof."""

    async def show_all(request: Request, who: Principal) -> Response:
        def compute() -> dict[str, Any]:
            return {**_list(source, request, who, about), **describe(source, who, None)}

        return await show_page(source, request, who, template, compute, about=about, styles=STYLES, verdicts=VERDICTS)

    async def show_one(request: Request, who: Principal) -> Response:
        def compute() -> dict[str, Any]:
            proof = find_proof(source, who, about, request.path_params["proof"])
            return {"proof": proof, "report": find_report(proof.source) is not None, **describe(source, who, proof)}

        return await show_page(source, request, who, "proof.html", compute, about=about, styles=STYLES)

    async def send_report(request: Request, who: Principal) -> Response:
        proof = await asyncio.to_thread(find_proof, source, who, about, request.path_params["proof"])
        file = find_report(proof.source)
        if file is None:
            words = f"No report lies at {proof.source} on this machine any more. Make it again: {proof.command}"
            return render_page(request, "problem.html", 404, title="The report is not here", message=words)
        response = Response(await asyncio.to_thread(file.read_bytes), media_type="text/html")
        response.headers["Content-Security-Policy"] = REPORT_POLICY
        return response

    def list_rows(request: Request, who: Principal) -> list[Evidence]:
        return _filter_proofs(source, request.query_params, who, about)[1]

    return (
        page_endpoint(about.path, "evidence.read", show_all, tenancy="principal"),
        csv_endpoint(about.path, "evidence.read", "principal", COLUMNS, list_rows),
        page_endpoint(about.path + "/{proof}", "evidence.read", show_one, tenancy="principal"),
        page_endpoint(about.path + "/{proof}/report", "evidence.read", send_report, tenancy="deployment"),
    )


def _read_proofs(source: ConsoleSource, who: Principal, about: ProofPage, kind: str) -> list[Evidence]:
    chosen = [kind] if kind in about.kinds else list(about.kinds)
    proofs = [
        one for check in chosen for one in source.store.evidence.list_evidence(MOST, check, tenant=find_scope(who))
    ]
    return sorted(proofs, key=lambda one: -one.produced_at)


def _list(source: ConsoleSource, request: Request, who: Principal, about: ProofPage) -> dict[str, Any]:
    query = dict(request.query_params)
    proofs, kept = _filter_proofs(source, query, who, about)
    counts = Counter(one.verdict for one in proofs)
    return {
        "page": take_page(kept, query, about.path),
        "total": len(proofs),
        "counts": counts,
    }


def _filter_proofs(
    source: ConsoleSource, query: Mapping[str, str], who: Principal, about: ProofPage
) -> tuple[list[Evidence], list[Evidence]]:
    """All of the kind that the query asks for, and those that fit it."""
    proofs = _read_proofs(source, who, about, query.get("kind", ""))
    words, verdict = query.get("words", ""), query.get("state", "")
    kept = [
        one
        for one in proofs
        if (not verdict or one.verdict == verdict) and match_words(words, one.subject, one.value, one.signer, one.id)
    ]
    return proofs, kept


def find_proof(source: ConsoleSource, who: Principal, about: ProofPage, name: str) -> Evidence:
    """:raises UnknownName: there is none of the page's kinds, or it is another tenant's"""
    for one in _read_proofs(source, who, about, ""):
        if one.id == name:
            return one
    raise UnknownName("proof", name, ())


def find_report(place: str) -> Path | None:
    """The report of a run that lies at `place`: `report.html` in its folder, or the page beside a file."""
    if not place:
        return None
    origin = Path(place)
    for file in (origin / "report.html", origin.with_suffix(".html")):
        try:
            if file.is_file() and file.stat().st_size <= MOST_REPORT:
                return file
        except OSError:
            continue
    return None


def write_proof_path(about: ProofPage, proof: Evidence) -> str:
    return f"{about.path}/{quote(proof.id, safe='')}"
