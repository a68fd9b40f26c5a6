"""Without a setting nothing is limited, and an answer whose length counts has 4,096 tokens."""

from steward.core.records import LimitSpec
from steward.gateway.limit_table import LimitTable


def test_defaults() -> None:
    table = LimitTable()
    assert (table.default, table.teams, table.models, table.max_output_tokens) == (LimitSpec(), {}, {}, 4096)
