"""The ranges of a section's numbers, as text that a test can state."""

from __future__ import annotations

from typing import Any

import annotated_types
import msgspec
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


def read_limits(section: type[BaseModel] | type[msgspec.Struct]) -> dict[str, str]:
    """What a section or a stage says about each number, text and list: "5: 1 <= x <= 256" with its default before it.

    The sign is x for a number's value, and n for the length of a text or a list.
    """
    if issubclass(section, BaseModel):
        properties = section.model_json_schema().get("properties", {})
    else:
        properties = msgspec.json.schema(section)["$defs"][section.__name__]["properties"]
    limits = {name: _describe_limits(schema) for name, schema in properties.items()}
    return {name: limit for name, limit in limits.items() if limit}


def _describe_limits(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    says = [f"{default}:"] if isinstance(default, int | float) and not isinstance(default, bool) else []
    for part in (schema, *schema.get("anyOf", ())):
        for sign, low, above, high, below in (
            ("x", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
            ("n", "minLength", "", "maxLength", ""),
            ("n", "minItems", "", "maxItems", ""),
        ):
            left = f"{part[low]} <= " if low in part else f"{part[above]} < " if above in part else ""
            right = f" <= {part[high]}" if high in part else f" < {part[below]}" if below in part else ""
            if left or right:
                says.append(f"{left}{sign}{right}")
    return " ".join(says)
