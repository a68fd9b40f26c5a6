"""How long an evidence pack takes to be made and verified, and how large it is.

    python benchmarks/bench_governance.py --records 100000 --acts 2000

A home with so many evidence records in SQLite and so many waivers in its audit log is packed by
`steward.workflows.evidence_pack`, and verified by the stand-alone program that lies in the pack. Records are inserted
in one transaction; each act is made durable before the next, as everywhere, so 10,000 of them take minutes.

A policy of every kind of requirement judges a change by 20 decisions and 1,000 records, which is what a store gives it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from steward.adapters.stores.sql import SqlStore
from steward.core.approvals import ApprovalDecision
from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.governance.approval_policy import (
    ApprovalsRequirement,
    ChangeFacts,
    EvidenceRequirement,
    WindowRequirement,
    judge_change,
)
from steward.governance.checks import CHECKS
from steward.governance.readiness import Facts, Situation, assess
from steward.workflows.audit import make_act
from steward.workflows.evidence_pack import PROGRAM, pack_evidence
from steward.workflows.serve.deployment import find_deployment

NOW = 1_795_900_000.0
KINDS = ("loadtest.run", "data.contract", "evaluation.run", "evaluation.gate", "backup.made")


def make_record(number: int) -> Evidence:
    return Evidence(
        id=f"ev_{number:024x}",
        check=KINDS[number % len(KINDS)],
        subject=f"model starter-{number % 7} on suite support",
        subject_digest=f"sha256:{number:064x}",
        verdict="pass",
        value=f"{number % 1000} items, 3 failed; exact_match 0.{number % 997:03d}",
        expected="policy gate.yaml",
        source=f"/srv/runs/{number}",
        produced_at=NOW - number,
        valid_until=None,
        command="steward eval gate baseline candidate --policy gate.yaml",
        signer="operator:1000",
    )


def fill_home(home: Path, records: int, acts: int) -> None:
    log, actor = find_deployment(home).open_audit_log(), operator(1000)
    for number in range(acts):
        log.record(make_act(actor, "check.waive", "check:infra.load", after=f"until {number}", clock=lambda: NOW))
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    store.migrate()
    store.evidence.add_all(map(make_record, range(records)), tenant="default")
    store.close()


def time_policy(rounds: int = 200) -> float:
    """Milliseconds of a processor for one decision: what 19 in 20 take at most."""
    policy = (
        ApprovalsRequirement(count=2),
        EvidenceRequirement(check="evaluation.gate", within_s=NOW, subject="starter-3"),
        WindowRequirement(timezone="Europe/Zurich"),
    )
    decisions = tuple(
        ApprovalDecision(
            request_id="ap_1",
            person=f"person:{number}",
            actor=f"person:{number}",
            verdict="approve",
            digest="d",
            at=NOW,
        )
        for number in range(20)
    )
    evidence = tuple(map(make_record, range(1000)))
    facts = ChangeFacts(
        request_id="ap_1", digest="d", authors=frozenset(), decisions=decisions, evidence=evidence, now=NOW
    )
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        judge_change(policy, facts)
        taken.append(time.process_time() - began)
    return statistics.quantiles(taken, n=20)[-1] * 1000


def measure(folder: Path, records: int, acts: int) -> dict[str, float | int]:
    home, out = folder / "home", folder / "pack.zip"
    home.mkdir()
    fill_home(home, records, acts)
    readiness = assess(Situation(facts=Facts(), evidence=(), now=NOW), "production", CHECKS)
    began = time.perf_counter()
    packed = pack_evidence(home, out, readiness, NOW, actor=operator(1000))
    made = time.perf_counter()
    with zipfile.ZipFile(out) as archive:
        program = Path(archive.extract(PROGRAM, folder))
    found = time.perf_counter()
    subprocess.run([sys.executable, "-I", program, out, "--key", packed.key], check=True, stdout=subprocess.DEVNULL)
    return {
        "records": packed.evidence,
        "acts": packed.acts,
        "pack_s": round(made - began, 2),
        "verify_s": round(time.perf_counter() - found, 2),
        "mib": round(packed.bytes / 2**20, 1),
        "policy_ms": round(time_policy(), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--acts", type=int, default=2_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked.records, asked.acts), indent=2))


if __name__ == "__main__":
    main()
