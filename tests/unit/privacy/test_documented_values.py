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
        ("addresses.LONGEST_HOUSE", 5),
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
        ("contacts._PAIRS", 5),  # France
        ("contacts._NANP_SECOND", (3, 7)),  # North American Numbering Plan
        ("contacts._CHINA_SECOND", 4),
        ("contacts._EXTENDED_SECOND", 3),
        ("contacts._MOST_DIGITS", 15),  # ITU-T E.164
        ("contacts._SHORT_GROUPS", {(3, 4), (2, 6), (4, 4), (3, 7), (2, 2), (1, 3), (10, 0)}),
        ("contacts._CALLED_GROUPS", {(2, 3), (2, 4), (3, 3), (4, 3)}),
        ("custom.MOST_WAYS", 500),
        ("custom.MOST_LETTERS", 256),
        ("custom.BEFORE", 48),
        ("file_mentions.SHORTEST_NAME", 3),
        ("file_mentions._BRANCHES", 3),
        ("guard.MOST_VALUES", 20_000),
        ("guard._MOST_FINDS", 64),
        ("identifiers.WINDOW", 48),
        ("identifiers._NEXT_TO", 12),
        ("identifiers.LEAST", 0.5),
        ("names._ANNOUNCED", 0.6),
        ("names._SURE", 0.75),
        ("names._INITIALS", 2),
        ("names._POSSESSIVE", 3),
        ("names._FEW", 32),
        ("names._WORDS_BEFORE", 32),
        ("names._LEAST_LETTERS", 3),
        ("names._FIELD_BEFORE", 48),
        ("organisations._LONGEST", 200),
        ("policy._OLDEST", 89),  # 45 CFR 164.514(b)(2)(i)(C)
        ("pseudonyms._BODY", 10),
        ("pseudonyms._ATTEMPTS", 8),
        ("pseudonyms._BLOCK", 64),  # FIPS 180-4: SHA-256
        ("rights_config.DAY_S", 86_400.0),
        ("scan.THRESHOLD", 0.5),
        ("scan._LEAST_CARD", 12),  # ISO/IEC 7812-1
        ("scan._LONGEST_WORD", 32),
        ("scan._LONG_RUN", 7),
        ("scan._MAC_JOINTS", 5),
        ("surrogates._WITH_INITIAL", 3),
        ("surrogates._AS_TOKENS", 6),
        ("url_context.MOST_KEPT", 4096),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.privacy.{module}"), constant) == value
