"""A load test as the test cases of a build server: whether it is valid, its objective, and whether requests failed."""

from __future__ import annotations

from steward.core.build_results import BuildResult
from steward.core.load_report import LoadReport


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
