"""Limits of what is found and hidden, as docs, errors and the named rules have them.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contacts._LONGEST_LOCAL", 256),
        ("contacts._LONGEST_PHONE", 24),
        ("contacts._LEAST_TRUNK", 9),
        ("contacts._LEAST_ALONE", 7),
        ("contacts._WHOLE", 10),  # North American Numbering Plan
        ("contacts._NEXT_TO", 24),
        ("contacts._LEAST_BESIDE", 6),
        ("contacts._MOST_GROUPS", 5),
        ("contacts._LONGEST_SENTENCE", 160),
        ("contacts._NUMBERED_CHARACTERS", 60),
        ("contacts._LEAST_WORDS", 3),
        ("custom.MOST_WAYS", 500),
        ("custom.MOST_LETTERS", 256),
        ("custom.BEFORE", 48),
        ("file_mentions.SHORTEST_NAME", 3),
        ("guard.MOST_VALUES", 20_000),
        ("identifiers.WINDOW", 48),
        ("identifiers._NEXT_TO", 12),
        ("identifiers.LEAST", 0.5),
        ("names._ANNOUNCED", 0.6),
        ("names._SURE", 0.75),
        ("names._INITIALS", 2),
        ("organisations._LONGEST", 200),
        ("policy._OLDEST", 89),  # 45 CFR 164.514(b)(2)(i)(C)
        ("pseudonyms._BODY", 10),
        ("rights_config.DAY_S", 86_400.0),
        ("scan.THRESHOLD", 0.5),
        ("scan._LEAST_CARD", 12),  # ISO/IEC 7812-1
        ("surrogates._WITH_INITIAL", 3),
        ("surrogates._AS_TOKENS", 6),
        ("url_context.MOST_KEPT", 4096),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.privacy.{module}"), constant) == value
