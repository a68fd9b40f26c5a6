"""`steward fairness status`: whether people of different languages, routes or models fare alike in live traffic."""

from __future__ import annotations

from pathlib import Path

from steward.core.features import FeatureOutcome
from steward.governance.disparity import DisparityReport, GroupField, GroupRequest, compare_groups_live
from steward.workflows.serve.deployment import open_served_store


def read_disparity(home: Path, since: float, until: float, by: GroupField, *, tenant: str | None) -> DisparityReport:
    """Of the requests whose features are kept (`monitoring.features`).

    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    store = open_served_store(home)
    try:
        outcomes = store.features.read_outcomes(since, until, tenant=tenant)
    finally:
        store.close()
    requests = [one for outcome in outcomes if (one := make_request(outcome, by)) is not None]
    return compare_groups_live(requests, by, since)


def make_request(outcome: FeatureOutcome, by: GroupField) -> GroupRequest | None:
    """None: its group is not known. Of a request that failed, nothing else is compared than that it did."""
    group = {"language": outcome.features.language, "route": outcome.route, "model": outcome.model}[by]
    if not group:
        return None
    return GroupRequest(
        group=group,
        person=outcome.person,
        error=outcome.error,
        refused=None if outcome.error else outcome.features.refused,
        duration_s=None if outcome.error else outcome.duration_s,
        satisfied=None if outcome.score is None else outcome.score > 0.0,
    )
