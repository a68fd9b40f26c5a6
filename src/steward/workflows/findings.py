"""What the workflows' records prove, in the words of evidence. Pure: no file is read and nothing is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.evidence import EvidenceVerdict

if TYPE_CHECKING:
    from steward.capacity.plan import Plan
    from steward.core.load_report import LoadReport
    from steward.data.contract import ContractResult
    from steward.evaluation.gate import GateDecision
    from steward.evaluation.run import RunResults


_OF_GATES: Final[dict[str, EvidenceVerdict]] = {"passed": "pass", "regressed": "fail", "inconclusive": "cannot tell"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow proved, before it is known who ran it, when and where it is kept."""

    check: str  # "loadtest.run", "capacity.plan", "data.contract", "evaluation.run", "evaluation.gate"
    subject: str
    subject_digest: str
    verdict: EvidenceVerdict
    value: str
    expected: str = ""
    source: str = ""
    valid_for_s: float | None = None  # None: until the subject changes


def describe_load_test(report: LoadReport, source: Path | None) -> Finding:
    """A run that is invalid or partial, or that had no objective, proves nothing by its numbers."""
    decided = report.valid and not report.partial and report.slo_met is not None
    p95 = report.e2e_ms.p95
    return Finding(
        check="loadtest.run",
        subject=f"model {report.model} at {report.url}",
        subject_digest=digest_subject(report.url, report.model),
        verdict="cannot tell" if not decided else "pass" if report.slo_met else "fail",
        value=f"{report.answered} of {report.sent} answered, p95 {'unknown' if p95 is None else f'{p95:.0f} ms'}",
        expected=report.slo or "",
        source=str(source or ""),
    )


def describe_plan(plan: Plan) -> Finding:
    return Finding(
        check="capacity.plan",
        subject=f"hardware for {plan.model}",
        subject_digest=digest_subject(plan.model, msgspec.json.encode(plan.wanted)),
        verdict="pass" if plan.chosen is not None else "cannot tell",
        value=f"{plan.considered} deployments considered, {'one chosen' if plan.chosen is not None else 'none fits'}",
        expected=f"{plan.wanted.rate:g} requests/s of {plan.wanted.input_tokens} + {plan.wanted.output_tokens} tokens",
    )


def describe_contract(contract: Path, files: Sequence[str], result: ContractResult) -> Finding:
    broken = [item.rule for item in result.findings if not item.passed]
    return Finding(
        check="data.contract",
        subject=f"files {', '.join(files[:3])}" + (" and others" if len(files) > 3 else ""),
        subject_digest=result.digest or digest_subject(*(f"{path} {_stamp(Path(path))}" for path in files)),
        verdict="pass" if result.passed else "fail",
        value=f"{result.rows:,} rows, broken: {', '.join(broken) or 'none'}",
        expected=f"contract {contract}",
        source=str(contract),
    )


def describe_evaluation(results: RunResults, out: Path) -> Finding:
    """Scores alone pass nothing: a gate does."""
    scores = ", ".join(
        f"{score.metric} {'unknown' if score.value is None else f'{score.value:.3f}'}" for score in results.scores
    )
    return Finding(
        check="evaluation.run",
        subject=f"model {results.model} on suite {results.suite}",
        subject_digest=digest_subject(results.model, results.suite),
        verdict="cannot tell",
        value=f"{results.items} items, {len(results.errored)} failed; {scores}",
        source=str(out),
    )


def describe_gate(decision: GateDecision, policy: Path) -> Finding:
    return Finding(
        check="evaluation.gate",
        subject=f"{decision.candidate} in place of {decision.baseline}",
        subject_digest=digest_subject(decision.candidate, decision.baseline, decision.data_sha256),
        verdict=_OF_GATES[decision.verdict],
        value=", ".join(f"{check.name}: {check.verdict}" for check in decision.checks),
        expected=f"policy {policy}",
        source=str(policy),
    )


def _stamp(path: Path) -> str:
    """Of a file that broke its contract, whose content has no digest."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def digest_subject(*parts: str | bytes) -> str:
    """`sha256:…` over the parts, each told apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"sha256:{digest.hexdigest()}"
