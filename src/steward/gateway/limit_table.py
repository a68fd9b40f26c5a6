"""The limits that are configured beside those of the keys."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from steward.core.records import LimitSpec


class LimitTable(msgspec.Struct, frozen=True, kw_only=True):
    """The `limits` section: of keys that have none of their own, of teams, of routes."""

    default: LimitSpec = LimitSpec()
    teams: Mapping[str, LimitSpec] = {}
    models: Mapping[str, LimitSpec] = {}
    max_output_tokens: int = 4096  # of a whole answer that declares no maximum, where tokens or money count
