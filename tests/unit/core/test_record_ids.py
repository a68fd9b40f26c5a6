"""Names of records: of a fixed form, and each another."""

from __future__ import annotations

import re

from steward.core.record_ids import make_dated_id, make_id, make_short_id


def test_names_have_the_form_that_scripts_and_pages_know() -> None:
    assert re.fullmatch(r"ev_[0-9a-f]{24}", make_id("ev"))
    assert re.fullmatch(r"rel_[0-9a-f]{12}", make_short_id("rel"))
    assert re.fullmatch(r"tr_20270115-080000-[0-9a-f]{6}", make_dated_id("tr", 1_800_000_000.0))
    assert len({make_short_id("rel") for _ in range(100)}) == 100
