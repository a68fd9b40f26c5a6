"""The books balance after workers and keeper were killed at random; `make soak` is the whole of it."""

from __future__ import annotations

from pathlib import Path

from soak import soak


def test_the_ledger_balances_after_kills_under_load(tmp_path: Path) -> None:
    books = soak(tmp_path, kills=4, terms=4, rounds=1, seed=7)
    assert books.problems() == []
    numbers = books.numbers()
    assert numbers["rows"] == numbers["admitted"] > 20 and len(numbers["endpoints"]) == 5
    assert sum(numbers["signals"].values()) == 8
