"""How much the console shows, reads, remembers and waits for, as docs and the comments beside the limits have it.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    # rows of a page, and of the file that it can be saved as
    "paging.PAGE_ROWS": 50,
    "handlers.MOST_SAVED": 10_000,
    "pages.audit.ROWS": 50,
    "pages.models.MOST_RELEASES": 10,
    "pages.models.MOST_ROUTES": 100,
    "pages.drift.SPANS": {"1d": ("a day", 1), "7d": ("a week", 7), "14d": ("two weeks", 14)},
    "pages.privacy.MOST_SCANS": 200,
    "pages.privacy_rights.MOST_REQUESTS": 20,
    "pages.registry.MOST_MOVES": 50,
    "pages.requests.PAGE": 100,
    "pages.requests.MOST": 500,
    "pages.requests.MOST_SAVED": 10_000,
    "pages.search.MOST": 20,
    "pages.settings.ROWS": 100,
    "pages.training.MOST": 50,
    "pages.training.CURVE_WIDTH": 10,
    "pages.overview.SHOWN_ACTS": 8,
    "pages.traffic.MOST_OTHERS": 200,
    "pages.view_runs.PAGE": 50,
    "pages.view_runs.MOST_FOUND": 200,
    "traffic_view.MOST_EVENTS": 40,
    "traffic_view.MOST_LEVELS": 3,
    "traffic_view.HEAT_COLUMNS": 12,
    "traffic_view.HEAT_ROWS": 12,
    "time_range.MOST_POINTS": 96,
    # what is looked through for them
    "operations.MOST_ACTS": 10_000,
    "pages.overview.MOST_ACTS": 300,
    "pages.prompts.NEWEST": 20_000,
    "pages.proofs.MOST": 10_000,
    "pages.satisfaction.NEWEST": 30,
    "pages.satisfaction.MOST_SAMPLED": 10_000,
    # letters and bytes that are read or shown
    "paging._MOST_DIGITS": 9,
    "signed_out.NEXT_LETTERS": 2_000,
    "api.MAX_IDEMPOTENCY_KEY": 255,  # Stripe's limit, which others follow
    "paging.MOST_LETTERS": 200,
    "pages.search.LEAST_OF_AN_ID": 6,
    "pages.view_runs._LENGTH": 20_000,
    "pages.settings.LIMIT": 1_048_576,
    "pages.usage.EXPORT_LIMIT": 16_777_216,
    "pages.proofs.MOST_REPORT": 4_194_304,
    "pages.models.MOST_WEIGHT": 1_000_000.0,
    # how old an answer may be, in seconds
    "shared_answers.FRESH_S": 1.0,
    "headline.FRESH_S": 10.0,
    "source.OBJECTIVES_FRESH_S": 10.0,
    "pages.drift.FRESH_S": 60.0,
    "pages.readiness.FRESH_S": 30.0,
    "pages.releases.FRESH_S": 10.0,
    "status.RECENT_S": 300.0,
    "status.OLD_S": 45.0,
    "pages.privacy_retention.LATE_PERIODS": 3.0,
    "pages.privacy_retention.LATE_S": 600.0,
    # what is remembered, and for how long
    "shared_answers.MOST": 300,
    "recognised.MOST": 1_000,
    "api.REMEMBERED": 1_000,
    "sessions.MAX_ADDRESSES": 10_000,
    "sign_in_limits.MARK_S": 15_552_000,  # 180 days
    "sign_in_limits.OWN_PER_MINUTE": 10,
    "pages.display.YEAR_S": 31_536_000,
    "time_range.MOST_S": 316_224_000.0,  # ten years of 366 days
    # pages that stay open
    "pages.live.LOOK_S": 0.5,
    "pages.live.QUIET_S": 15.0,
    "pages.live.LONGEST_S": 300.0,
    "pages.live.MOST_VIEWERS": 200,
    "pages.live.MOST_OF_ONE": 40,
    # from when on something is called wrong
    "status.FAILING": 0.05,
    "status.FEWEST_FAILED": 3,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("console", name) == SIZES[name]
