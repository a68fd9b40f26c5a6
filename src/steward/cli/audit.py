"""`steward audit tail|verify|prove|export|shred`: who changed what, and whether the record was altered."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    MOST_LINES,
    HomeOption,
    JsonOption,
    OnlyTenantOption,
    ReasonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.security.audit.verify import LogVerification


def tail(
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of acts to show, newest first.")
    ] = 20,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show the latest administrative acts: who changed keys, prompts and the configuration."""
    from steward.workflows.audit import list_acts

    acts = list_acts(find_home(home), lines, tenant=tenant)
    if json:
        show_json(acts)
        return
    rows = [[act.entry, _when(act.at), act.actor, act.action, act.subject, act.after, act.reason] for act in acts]
    show_table(["entry", "at", "actor", "action", "subject", "after", "reason"], rows)


def verify(
    witness: Annotated[
        Path | None, typer.Option(help="A checkpoint of this log that was kept elsewhere, or a file of several.")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check the audit log. Exits with 1 if it was altered, and with 3 if there was no witness to compare with."""
    from steward.workflows.audit_proof import describe_verification, verify_deployment

    folder = find_home(home)
    verification = verify_deployment(folder, witness)
    keep_finding(describe_verification(verification, folder), folder)
    if json:
        show_json(verification)
    else:
        show_lines(_describe(verification))
    if verification.error:
        raise typer.Exit(1)
    if not verification.compared:
        raise typer.Exit(3)


def _describe(verification: LogVerification) -> list[str]:
    lines = [f"Not compared: {reason}" for reason in verification.unreachable]
    if verification.error:
        where = f" at entry {verification.at}" if verification.at is not None else ""
        return [f"ALTERED{where}: {verification.error}", *lines]
    lines.insert(0, f"{verification.verified} of {verification.entries} entries verified.")
    if verification.compared:
        return [*lines, f"It goes on where the heads ended that were kept in {', '.join(verification.compared_with)}."]
    return [
        *lines,
        "It was not compared with a copy from elsewhere: a rollback of the whole home would not be seen.",
        "Set audit.witness in steward.yaml, or keep copies of audit/checkpoint elsewhere and pass one with --witness.",
    ]


def prove(
    entry: Annotated[int, typer.Argument(help="Index of the entry, as `steward audit tail` shows it.", min=0)],
    since: Annotated[
        Path | None, typer.Option(help="An older checkpoint; also prove that the log goes on where it ended.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the entry, its proofs and a program that checks them.")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Prove to somebody without the log that an entry is in it (C2SP tlog-proof)."""
    from steward.workflows.audit_proof import prove_entry

    proof = prove_entry(find_home(home), entry, since, out)
    if json:
        show_json(proof)
    elif out is not None:
        names = f"--proof {out}/entry-{entry}.tlog-proof --entry {out}/entry-{entry}.json"
        show_lines([*proof.files, "", f"Check: python3 {out}/verify_audit.py {names} --key '{proof.key}'"])
    else:
        show_lines([proof.proof + (f"\n{proof.consistency}" if proof.consistency else "")])


def export(
    out: Annotated[Path, typer.Argument(help="New folder for the copy.")],
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the audit log, with a program that verifies the copy without steward."""
    from steward.core.identity import operator
    from steward.workflows.audit_proof import export_log

    proof = export_log(find_home(home), out, actor=operator(os.getuid(), reason))
    if json:
        show_json(proof)
        return
    lines = [f"{proof.entries} entries in {proof.folder}. It holds no reasons, only commitments to them."]
    show_lines([*lines, f"Check: {proof.verify}", "CHECKPOINT is one that was kept elsewhere; without it, exit 3."])


def shred(
    entry: Annotated[int, typer.Argument(help="Index of the entry whose reason is to be destroyed.", min=0)],
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Destroy the words of an entry's reason, such as a name in them. The log still verifies."""
    from steward.core.identity import operator
    from steward.workflows.audit_proof import shred_reason

    done = shred_reason(find_home(home), entry, actor=operator(os.getuid(), reason))
    if json:
        show_json({"entry": entry, "destroyed": done})
    else:
        show_lines([f"The reason of entry {entry} {'is destroyed' if done else 'was destroyed before'}."])


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
