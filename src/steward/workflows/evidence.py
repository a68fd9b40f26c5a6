"""Proofs into the store of the home that is found: where there is none, nothing is written and nothing fails."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import StewardError
from steward.core.evidence import Evidence
from steward.core.identity import Principal, operator
from steward.core.record_ids import make_id
from steward.workflows.evidence_inputs import describe_inputs
from steward.workflows.findings import Finding
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.subjects import bind_digest, find_subjects

EVALUATION: Final = "evaluation.run"
MOST_RUNS: Final = 2000  # newest first, to find the one that a gate judges

log = logging.getLogger(__name__)


def record_finding(
    home: Path | None,
    finding: Finding,
    actor: Principal | None = None,
    command: Sequence[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Evidence | None:
    """Keep a finding as evidence; None where there is no home, or its store cannot be written now."""
    if home is None:
        return None
    deployment = find_deployment(home)
    if deployment.store is None and not (home / "steward.db").exists():
        return None  # nothing was served from here yet
    signer = actor or operator(os.getuid())
    now = clock()
    try:
        digest = _find_digest(deployment, home, finding)
    except StewardError as error:
        log.warning("the proof was not kept: %s", error)
        return None
    record = Evidence(
        id=make_id("ev"),
        check=finding.check,
        subject=finding.subject,
        subject_digest=digest,
        verdict=finding.verdict,
        value=finding.value,
        expected=finding.expected,
        source=finding.source,
        produced_at=now,
        valid_until=None if finding.valid_for_s is None else now + finding.valid_for_s,
        command=shlex.join(command or ("steward", *sys.argv[1:])),
        signer=signer.actor,
        inputs=describe_inputs(finding.inputs),
    )
    try:
        with _open(deployment) as store:
            store.evidence.add(record, tenant=signer.tenant)
    except StewardError as error:
        log.warning("the proof was not kept: %s", error)
        return None
    return record


def _find_digest(deployment: HomeDeployment, home: Path, finding: Finding) -> str:
    """Of a judgement about a run: of what answered in that run, as its own proof says; without one, its own."""
    if not finding.run:
        return bind_digest(finding, find_subjects(home))
    with _open(deployment) as store:
        runs = store.evidence.list_evidence(MOST_RUNS, EVALUATION, tenant=None)
    return next((run.subject_digest for run in runs if run.source == finding.run), finding.subject_digest)


@contextmanager
def _open(deployment: HomeDeployment) -> Iterator[SqlStore]:
    store = deployment.open_store()
    try:
        store.check()
        store.migrate()
        yield store
    finally:
        store.close()
