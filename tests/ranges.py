"""The ranges of a section's numbers, as text that a test can state."""

from __future__ import annotations

import annotated_types
from pydantic import BaseModel


def read_ranges(section: type[BaseModel]) -> dict[str, str]:
    """Of each number with a limit: "1 <= x <= 10", "0 < x"."""
    ranges = {}
    for name, field in section.model_fields.items():
        low, high = "", ""
        for limit in field.metadata:
            match limit:
                case annotated_types.Ge(ge=value):
                    low = f"{value} <= "
                case annotated_types.Gt(gt=value):
                    low = f"{value} < "
                case annotated_types.Le(le=value):
                    high = f" <= {value}"
                case annotated_types.Lt(lt=value):
                    high = f" < {value}"
        if low or high:
            ranges[name] = f"{low}x{high}"
    return ranges
