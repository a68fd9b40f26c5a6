"""Records as a data frame of pandas, for those who have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def make_frame(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any | None:
    """A frame with `columns`, `at` as a time in UTC; None: pandas is not installed."""
    try:
        import pandas as pd
    except ModuleNotFoundError:
        return None
    frame = pd.DataFrame(list(records), columns=list(columns))
    if "at" in columns:
        frame["at"] = pd.to_datetime(frame["at"], unit="s", utc=True)
    return frame
