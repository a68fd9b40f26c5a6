"""A load test as the test cases of a build server: whether it is valid, its objective, and whether requests failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steward.core.build_results import BuildResult
from steward.core.load_report import LoadReport

if TYPE_CHECKING:  # they bring NumPy along
    from steward.loadtest.search import FindMax
    from steward.loadtest.sweep import Sweep, SweepPoint


def list_load_cases(report: LoadReport) -> list[BuildResult]:
    """An objective that is undecided, and a run that is invalid, are errors: neither says how fast the server is."""
    answered = BuildResult("answered", "passed")
    if report.failed or not report.answered:
        causes = ", ".join(f"{cause} {count}" for cause, count in report.errors.items())
        why = f"{report.failed} of {report.sent} requests failed" + (f": {causes}" if causes else "")
        answered = BuildResult("answered", "failed" if report.answered else "error", why)
    valid = BuildResult("valid", "passed")
    if not report.valid or report.partial:
        valid = BuildResult("valid", "error", "; ".join(report.invalid_reasons) or "the run was interrupted")
    cases = [answered, valid]
    if report.slo is not None:
        name, why = f"objective {report.slo}", "; ".join(report.slo_terms)
        cases.append(
            BuildResult(name, "passed")
            if report.slo_met
            else BuildResult(name, "error" if report.slo_met is None else "failed", why)
        )
    return cases


def list_search_cases(search: FindMax) -> list[BuildResult]:
    """One case: a rate that meets the objective. A search that ended without an answer is an error."""
    name = f"a rate that meets {search.slo}"
    if search.verdict in ("found", "no_limit_found"):
        return [BuildResult(name, "passed")]
    return [BuildResult(name, "failed" if search.verdict == "not_even_the_lowest" else "error", search.describe())]


def list_sweep_cases(sweep: Sweep) -> list[BuildResult]:
    """A case for each step: what an invalid one measured is no property of the server. Saturation is a finding."""
    cases = [_judge_step(point) for point in sweep.points]
    if sweep.partial:
        cases.append(BuildResult("finished", "error", sweep.notes[-1] if sweep.notes else "interrupted"))
    return cases


def _judge_step(point: SweepPoint) -> BuildResult:
    name = f"step {point.describe_load()}"
    if not point.valid:
        return BuildResult(name, "error", "the step is invalid; `steward load run` with this load says why")
    if point.failed:
        count = "1 request" if point.failed == 1 else f"{point.failed} requests"
        return BuildResult(name, "failed", f"{count} failed")
    return BuildResult(name, "passed")
