"""`steward evidence list|show|pack|verify`: the records behind every verdict, and a signed copy for an auditor."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.check import LevelName
from steward.cli.common import (
    MOST_LINES,
    HomeOption,
    JsonOption,
    OnlyTenantOption,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError


def list_(
    check: Annotated[str | None, typer.Option(help="Only of one kind, such as loadtest.run.")] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of records to show, newest first.")
    ] = 20,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List what was proved here: by which command, of what, and how it came out."""
    from steward.workflows.evidence_pack import list_records

    records = list_records(find_home(home), lines, check, tenant=tenant)
    if json:
        show_json(records)
        return
    if not records:
        show_lines(["Nothing was proved here yet. Start with: steward check"])
        return
    rows = [[one.id, _when(one.produced_at), one.check, one.subject, one.verdict, one.value] for one in records]
    show_table(["record", "at", "check", "of", "verdict", "found"], rows)


def show(
    record: Annotated[str, typer.Argument(help="Id of the record, such as ev_0123456789abcdef01234567.")],
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show a record: what was found, what was expected, who found it and how to find it again."""
    from steward.workflows.evidence_pack import show_record

    found = show_record(find_home(home), record, tenant=tenant)
    if json:
        show_json(found)
        return
    until = "its subject changes" if found.valid_until is None else _when(found.valid_until)
    show_lines(
        [
            f"{found.id}: {found.check}, {found.verdict}",
            f"  of        {found.subject}",
            f"  digest    {found.subject_digest}",
            f"  found     {found.value}",
            f"  expected  {found.expected or 'nothing in particular'}",
            f"  made      {_when(found.produced_at)} by {found.signer}",
            f"  holds     until {until}",
            f"  details   {found.source or 'none'}",
            f"  again     {found.command}",
        ]
    )


def map_(
    framework: Annotated[str | None, typer.Option(help="Only one of them, such as eu-ai-act or nist-ai-rmf.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    oscal: Annotated[Path | None, typer.Option(help="Also write OSCAL assessment results to this file.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("frameworks")] = False,
) -> None:
    """Show what speaks for the controls of laws and standards. It is evidence, and no statement of compliance."""
    from steward.core.files import write_file
    from steward.governance.controls import describe_states, map_controls, render_control_page
    from steward.governance.oscal import write_assessment
    from steward.workflows.gateway_probe import ask_gateway
    from steward.workflows.readiness import check_home

    folder, now = find_home(home), time.time()
    answers, problem = ask_gateway(folder)
    readiness = check_home(folder, "regulated", now, answers, problem)
    controls = map_controls(readiness, now, framework)
    if html is not None:
        write_file(html, render_control_page(controls, folder.name).encode())
    if oscal is not None:
        write_file(oscal, write_assessment(controls, readiness, folder.name))
    if json:
        show_json(controls)
        return
    show_lines([controls.disclaimer])
    for one in controls.frameworks:
        old = "; more than 180 days ago, look up what has changed" if one.old else ""
        show_lines(["", f"{one.name}: {one.title} (as of {one.as_of}{old})", f"  {describe_states(one)}"])
        if framework is not None:
            rows = [[line.id, line.title, line.state, ", ".join(line.checks) or line.keeps] for line in one.controls]
            show_table(["control", "about", "state", "by"], rows)
            show_lines(["", one.note])
    if framework is None:
        show_lines(["", "Each control of one: steward evidence map --framework NAME"])


def pack(
    out: Annotated[Path, typer.Argument(help="New file, such as evidence.zip.")],
    level: Annotated[LevelName, typer.Option(help="Level of the checks in it.")] = LevelName.PRODUCTION,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Pack checks, evidence, waivers, approvals and proofs from the audit log into a signed file for an auditor."""
    from steward.core.identity import operator
    from steward.governance.controls import map_controls
    from steward.workflows.cards import collect_cards
    from steward.workflows.evidence_pack import pack_evidence
    from steward.workflows.gateway_probe import ask_gateway
    from steward.workflows.readiness import check_home

    folder, now = find_home(home), time.time()
    answers, problem = ask_gateway(folder)
    readiness = check_home(folder, level.value, now, answers, problem)
    cards = collect_cards(folder, now)
    whole = check_home(folder, "regulated", now, answers, problem)
    packed = pack_evidence(
        folder,
        out,
        readiness,
        now,
        actor=operator(os.getuid()),
        cards=cards,
        controls=(map_controls(whole, now), whole),
        replace=force,
    )
    if json:
        show_json(packed)
        return
    counts = f"{packed.evidence:,} records and {packed.acts:,} acts of the audit log"
    show_lines(
        [
            f"{packed.file}: {counts}; the checks say: {packed.verdict}.",
            "It holds no texts of prompts or requests. index.html in it is for reading.",
            f"Check: {packed.verify}",
        ]
    )


def verify(
    file: Annotated[Path, typer.Argument(help="A pack that `steward evidence pack` made.")],
    key: Annotated[str | None, typer.Option(help="Public key of the audit log, as you noted it: NAME+ID+KEY.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check a pack. Exits with 1 if anything was altered, and with 3 if there was no key to compare with."""
    from steward.workflows.evidence_pack import verify_pack

    checked = verify_pack(file, key, _find_any_home(home))
    if json:
        show_json(checked)
    elif checked.verdict == "altered":
        show_lines([f"ALTERED: {checked.problem}"])
    else:
        show_lines([f"Intact: {checked.files} files, {checked.acts:,} acts of the audit log."])
        if checked.key_from == "pack":
            show_lines(
                [
                    f"It is signed by {checked.key}, the key in the pack itself.",
                    "Whoever altered the pack could have replaced that key: give the one that you noted with --key.",
                ]
            )
    if checked.verdict == "altered":
        raise typer.Exit(1)
    if checked.key_from == "pack":
        raise typer.Exit(3)


def _find_any_home(given: Path | None) -> Path | None:
    """An auditor has none. :raises InputError: one that is given does not exist"""
    try:
        return find_home(given)
    except InputError:
        if given is not None:
            raise
        return None


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
