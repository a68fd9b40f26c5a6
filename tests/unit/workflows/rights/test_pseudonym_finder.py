"""Who was erased is found again in texts, though only pseudonyms are kept of them."""

from __future__ import annotations

import pytest

from steward.gateway.middleware.identify import pseudonym
from steward.workflows.rights.pseudonym_finder import PseudonymFinder

KEY = b"k" * 32
ANNA = pseudonym(KEY, "p", "Anna Maria B.4")
PEOPLE = PseudonymFinder(frozenset({str(ANNA)}), frozenset({"req_1"}), {"p": KEY, "q": KEY})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("told Anna Maria B.4, who left", True), ("Anna Maria", False), ("anna maria b.4", False),
        ('{"id": "req_1"}', True), ("req_10", False), (f"subject:{ANNA}", True), (str(ANNA), True), ("", False),
    ],
)  # fmt: skip
def test_names_pseudonyms_and_requests_are_found(text: str, found: bool) -> None:
    assert PEOPLE.search(text) is found
