"""What the workflows' records prove, in the words of evidence. Pure: no file is read and nothing is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from steward.core.evidence import EvidenceVerdict

if TYPE_CHECKING:
    from steward.capacity.headroom import HeadroomStatus
    from steward.capacity.plan import Plan
    from steward.core.load_report import LoadReport, Quantiles
    from steward.data.contract import ContractResult
    from steward.data.summary import Summary
    from steward.evaluation.gate import GateDecision
    from steward.evaluation.groups import GroupComparison
    from steward.evaluation.overlap import OverlapReport
    from steward.evaluation.robustness import RobustnessReport
    from steward.evaluation.run import RunResults
    from steward.governance.disparity import DisparityReport
    from steward.improvement.experiment import ExperimentReport
    from steward.improvement.training import TrainingRun
    from steward.monitoring.drift import Drift
    from steward.workflows.access_matrix import AccessMatrix
    from steward.workflows.alerting import ChannelTest
    from steward.workflows.backup import BackupResult
    from steward.workflows.dataset.build import DatasetBuild
    from steward.workflows.dataset.folder import DatasetVerification


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
    of: Literal["", "model", "settings", "channels", "plan", "store"] = ""  # what of the home it speaks of
    name: str = ""  # of the model or route, or of all channels
    url: str = ""  # where it was asked
    run: str = ""  # folder of the evaluation that it judges: it is of the model that answered there, not of today's
    inputs: tuple[str, ...] = ()  # files, folders and patterns; the proof is stale when one changes


def describe_load_test(report: LoadReport, source: Path | None) -> Finding:
    """A run that is invalid or partial, or that had no objective, proves nothing by its numbers."""
    decided = report.valid and not report.partial and report.slo_met is not None
    return Finding(
        of="model",
        name=report.model,
        url=report.url,
        check="loadtest.run",
        subject=f"model {report.model} at {report.url}",
        subject_digest=digest_subject(report.url, report.model),
        verdict="cannot tell" if not decided else "pass" if report.slo_met else "fail",
        value=f"{report.answered} of {report.sent} answered, {_describe_latency(report.e2e_ms)}",
        expected=report.slo or "",
        source=str(source or ""),
    )


def _describe_latency(latency: Quantiles) -> str:
    if latency.p95 is not None:
        return f"p95 {latency.p95:.0f} ms"
    return "p95 unknown" if latency.max is None else f"the slowest {latency.max:.0f} ms"


def describe_plan(plan: Plan, kept: bool) -> Finding:
    """`kept`: it is the plan in force from now on. Another says nothing of this deployment."""
    return Finding(
        of="plan" if kept and plan.chosen is not None else "",
        check="capacity.plan",
        subject=f"hardware for {plan.model}",
        subject_digest=digest_subject(plan.model, msgspec.json.encode(plan.wanted)),
        verdict="pass" if plan.chosen is not None else "cannot tell",
        value=f"{plan.considered} deployments considered, {'one chosen' if plan.chosen is not None else 'none fits'}",
        expected=f"{plan.wanted.rate:g} requests/s of {plan.wanted.input_tokens} + {plan.wanted.output_tokens} tokens",
    )


def describe_data_run(summary: Summary, pipeline: Path, out: Path) -> Finding:
    """Rows that came out prove nothing: a contract does."""
    gone = ", ".join(
        f"{count:,} {name}"
        for name, count in (("dropped", summary.dropped), ("merged", summary.merged), ("failed", summary.failed))
        if count
    )
    return Finding(
        check="data.run",
        subject=f"pipeline {pipeline}",
        subject_digest=f"sha256:{summary.digest}",
        verdict="cannot tell",
        value=f"{summary.rows_in:,} rows in, {summary.rows_out:,} out" + (f"; {gone}" if gone else ""),
        source=str(out.absolute()),
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
        source=str(contract.absolute()),
        inputs=(str(contract), *files),
    )


def describe_evaluation(results: RunResults, out: Path, suite: Sequence[str] = (), url: str | None = "") -> Finding:
    """It proves that every item was answered and scored. Whether the scores are good enough, a gate decides.

    `suite`: its files. `url`: where the model was asked; None: in this process, which says nothing of what serves.
    """
    scores = ", ".join(
        f"{score.metric} {'unknown' if score.value is None else f'{score.value:.3f}'}" for score in results.scores
    )
    unscored = not results.scores or any(score.value is None for score in results.scores)
    return Finding(
        of="" if url is None else "model",
        name=results.model,
        check="evaluation.run",
        subject=f"model {results.model} on suite {results.suite}",
        subject_digest=digest_subject(results.model, results.suite),
        verdict="pass" if results.items and not results.errored and not unscored else "cannot tell",
        value=f"{results.items} items, {len(results.errored)} failed; {scores}",
        expected="every item answered, every metric scored",
        source=str(out.absolute()),
        url=url or "",
        inputs=tuple(suite),
    )


def describe_gate(decision: GateDecision, policy: Path, baseline: Path, candidate: Path) -> Finding:
    return Finding(
        run=str(candidate.absolute()),
        inputs=(str(policy), *(str(folder / "results.json") for folder in (baseline, candidate))),
        of="model",
        name=decision.candidate,
        check="evaluation.gate",
        subject=f"{decision.candidate} in place of {decision.baseline}",
        subject_digest=digest_subject(decision.candidate, decision.baseline, decision.data_sha256),
        verdict=_OF_GATES[decision.verdict],
        value=", ".join(f"{check.name}: {check.verdict}" for check in decision.checks),
        expected=f"policy {policy}",
        source=str(policy.absolute()),
    )


def describe_dataset(build: DatasetBuild, file: Path) -> Finding:
    """A set that was refused proves that there was too little, and nothing of its rows."""
    manifest = build.manifest
    return Finding(
        check="dataset.build",
        subject=f"training set {manifest.name}" if manifest else f"training set of {file}",
        subject_digest=manifest.digest if manifest else digest_subject(str(file)),
        verdict="pass" if manifest else "cannot tell",
        value=", ".join(f"{count:,} {split}" for split, count in manifest.rows.items())
        if manifest
        else build.refused or "",
        expected="rows with consent, scrubbed, without evaluation items, above the floor",
        source=build.folder or str(file),
    )


def describe_dataset_check(verification: DatasetVerification) -> Finding:
    return Finding(
        check="dataset.verify",
        subject=f"training set {verification.folder}",
        subject_digest=verification.digest or digest_subject(verification.folder),
        verdict="pass" if verification.intact else "fail",
        value=f"{verification.rows:,} rows, {verification.files:,} files, seal {verification.seal}; "
        + ("nothing altered" if verification.intact else "; ".join(verification.problems[:3])),
        expected="every row and file as it was built",
        source=verification.folder,
    )


def describe_training(run: TrainingRun) -> Finding:
    """A run that was stopped or cancelled proves nothing of the model."""
    return Finding(
        check="train.run",
        subject=f"training run {run.id}",
        subject_digest=digest_subject(run.dataset, *(one.sha256 for one in run.artefacts)),
        verdict="pass" if run.state == "succeeded" else "fail" if run.state == "failed" else "cannot tell",
        value=f"{run.step:,} steps, loss {'unknown' if run.loss is None else f'{run.loss:.4f}'}, "
        f"{len(run.artefacts)} artefacts" + (f"; {run.reason}" if run.reason else ""),
        expected="a run to its end, with whole artefacts",
        source=run.folder,
    )


def describe_experiment(report: ExperimentReport) -> Finding:
    """Only the second score says something of the winner."""
    second = report.second_score
    verdicts: dict[str, EvidenceVerdict] = {"better": "pass", "worse": "fail"}
    return Finding(
        check="experiment.run",
        subject=f"experiment {report.name}",
        subject_digest=digest_subject(report.id),
        verdict=verdicts.get(report.verdict, "cannot tell"),
        value="no winner"
        if second is None
        else f"trial {report.winner}: {second.value:.4f} on {second.items:,} unseen items",
        expected="a winner that is better than the first trial on items that no trial saw",
        source=report.folder,
    )


def describe_headroom(status: HeadroomStatus) -> Finding:
    """Too little traffic to tell proves nothing."""
    return Finding(
        of="plan",
        check="capacity.watch",
        subject="live traffic against the saved plan",
        subject_digest=digest_subject("capacity.watch"),
        verdict="pass" if status.state == "holds" else "cannot tell" if status.state == "unknown" else "fail",
        value=status.why,
        expected="traffic fits the plan for 30 days",
    )


def describe_backup(result: BackupResult) -> Finding:
    return Finding(
        of="store",
        check="backup.made",
        subject=f"archive {result.archive}",
        subject_digest=digest_subject(result.archive, str(result.bytes)),
        verdict="pass",
        value=f"{result.files:,} files, {result.bytes:,} bytes, keys apart in {result.key_backup}",
        expected="a consistent archive",
        source=result.archive,
    )


def describe_restore(archive: str, home: str, files: int, problems: Sequence[str]) -> Finding:
    return Finding(
        of="store",
        check="backup.restored",
        subject=f"archive {archive}",
        subject_digest=digest_subject(archive),
        verdict="fail" if problems else "pass",
        value="; ".join(problems) or f"{files:,} files",
        expected="a home that is as it was",
        source=home,
    )


def describe_changes(report: RobustnessReport, check: str, suite: Sequence[str] = (), url: str | None = "") -> Finding:
    """`check`: "evaluation.robustness" or "evaluation.counterfactual". Without a margin there is no verdict.

    `suite`: its files. `url`: where the model was asked; None: in this process, which says nothing of what serves.
    """
    verdicts: dict[str | None, EvidenceVerdict] = {"passed": "pass", "moved": "fail"}
    changes = ", ".join(effect.change for effect in report.effects)
    return Finding(
        of="" if url is None else "model",
        name=report.model,
        check=check,
        subject=f"model {report.model} on suite {report.suite}",
        subject_digest=digest_subject(report.model, report.suite),
        verdict="cannot tell" if report.errored else verdicts.get(report.verdict, "cannot tell"),
        value=f"{report.items:,} items; changes: {changes}; {len(report.errored)} failed",
        expected="" if report.margin is None else f"no change beyond {report.margin:g}",
        url=url or "",
        inputs=tuple(suite),
    )


def describe_overlap(
    report: OverlapReport, suite: Path, train: Sequence[str], suite_files: Sequence[str] = ()
) -> Finding:
    unsure = report.share is None or report.too_short > 0
    return Finding(
        check="evaluation.overlap",
        subject=f"suite {suite} in {', '.join(train)}",
        subject_digest=digest_subject(str(suite), *train),
        verdict="fail" if report.overlapping else "cannot tell" if unsure else "pass",
        value=f"{len(report.overlapping):,} of {report.items:,} items found; {report.too_short:,} too short",
        expected="no item in the training data",
        inputs=(*suite_files, *train),
    )


def describe_groups(comparison: GroupComparison, run: Path) -> Finding:
    """Nothing certain is not the same as equal: without a difference that was found it stays open for small groups."""
    known = [one for one in comparison.differences if one.p_holm is not None]
    certain = [one for one in known if one.p_holm is not None and one.p_holm < 0.05]
    return Finding(
        of="model",
        name=comparison.model,
        check="evaluation.groups",
        subject=f"model {comparison.model} on suite {comparison.suite} by {comparison.field}",
        subject_digest=digest_subject(comparison.model, comparison.suite, comparison.field),
        verdict="fail" if certain else "pass" if known else "cannot tell",
        value=", ".join(one.measure for one in certain) or f"no certain difference over {comparison.n:,} items",
        expected="no certain difference between groups (Holm, 5 %)",
        source=str(run.absolute()),
        run=str(run.absolute()),
        inputs=(str(run / "results.json"),),
    )


def describe_scan(files: Sequence[Path], finds: int, profile: str) -> Finding:
    return Finding(
        check="privacy.scan",
        subject=f"files {', '.join(map(str, files[:3]))}" + (" and others" if len(files) > 3 else ""),
        subject_digest=digest_subject(profile, *(f"{path} {_stamp(path)}" for path in files)),
        verdict="fail" if finds else "pass",
        value=f"{finds:,} values found",
        expected=f"nothing that profile {profile} looks for",
        inputs=tuple(map(str, files)),
    )


def describe_alert_test(results: Sequence[ChannelTest]) -> Finding:
    """A channel that nobody has proves nothing."""
    failed = [one.channel for one in results if not one.delivered]
    return Finding(
        of="channels",
        name=", ".join(one.channel for one in results),
        check="alerts.test",
        subject="the channels of alerts",
        subject_digest=digest_subject(*(one.channel for one in results)),
        verdict="cannot tell" if not results else "fail" if failed else "pass",
        value=f"not delivered: {', '.join(failed)}"
        if failed
        else f"delivered: {', '.join(one.channel for one in results)}",
        expected="every channel takes a message",
    )


def describe_selftest(url: str, held: int, failed: int, cannot_tell: int) -> Finding:
    """What was not run, for want of a key, proves nothing of itself."""
    return Finding(
        of="settings",
        url=url,
        check="security.selftest",
        subject=f"gateway {url}",
        subject_digest=digest_subject(url),
        verdict="fail" if failed else "cannot tell" if cannot_tell or not held else "pass",
        value=f"{held} advisories held, {failed} failed, {cannot_tell} cannot be told",
        expected="no published advisory repeats",
    )


def describe_access(matrix: AccessMatrix) -> Finding:
    """Stale as soon as a person, a role or a grant changes. Where nobody has access, nothing was looked at."""
    rows = [row for row in matrix.rows if row.who != "anonymous"]
    subjects = len({row.who for row in rows})
    broken = "; ".join(f"{fault.who} {fault.problem}" for fault in matrix.faults[:3])
    more = f" and {len(matrix.faults) - 3} more" if len(matrix.faults) > 3 else ""
    apart = "".join(f"; {' and '.join(rights)} apart" for rights in matrix.apart)
    return Finding(
        check="access.matrix",
        subject="who may do what",
        subject_digest=matrix.digest,
        verdict="fail" if matrix.faults else "pass" if rows else "cannot tell",
        value=f"subjects: {subjects:,}, places: {len({row.at for row in rows}):,}; "
        + (f"{broken}{more}" if broken else "no rule broken"),
        expected=f"every rule of access holds{apart}",
    )


def describe_drift(result: Drift, baseline: Path, current: Path) -> Finding:
    drifted = [feature.name for feature in result.features if feature.drifted]
    return Finding(
        check="drift.compare",
        subject=f"{current} against {baseline}",
        subject_digest=digest_subject(f"{baseline} {_stamp(baseline)}", f"{current} {_stamp(current)}"),
        verdict="fail"
        if drifted
        else "pass"
        if any(feature.p is not None for feature in result.features)
        else "cannot tell",
        value=f"drifted: {', '.join(drifted) or 'nothing'}; {result.current_events:,} requests",
        inputs=(str(baseline), str(current)),
        expected="traffic like the baseline's",
    )


def describe_disparity(report: DisparityReport) -> Finding:
    """Too few requests of a second group prove nothing."""
    differing = [f"{row.group}: {row.measure}" for row in report.rows if row.differs]
    verdicts: dict[str, EvidenceVerdict] = {"alike": "pass", "different": "fail"}
    return Finding(
        check="fairness.status",
        subject=f"live traffic by {report.by}",
        subject_digest=digest_subject("fairness.status", report.by),
        verdict=verdicts.get(report.verdict, "cannot tell"),
        value=f"{', '.join(differing) or 'no certain difference'}; {report.requests:,} requests",
        expected=f"no certain difference beyond {report.margin:g} (Holm, 5 %)",
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
