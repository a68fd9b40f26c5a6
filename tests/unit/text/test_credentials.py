"""Credentials by their issuers' shapes; AWS's key is the one that its documentation uses."""

from __future__ import annotations

import pytest

from steward.text.credentials import entropy_bits, find_secrets


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "aws_access_key"),
        ("ghp_" + "a1" * 18, "github_token"),
        ("xoxb-1234567890", "slack_token"),
        ("AIza" + "a" * 35, "google_api_key"),
        ("sk-" + "a" * 20, "openai_key"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "private_key"),
    ],
)
def test_shapes_of_issuers(text: str, kind: str) -> None:
    assert find_secrets(text) == [(0, len(text), kind)]
    assert find_secrets(text[:-21] if kind == "private_key" else text[:-1], 0.0) == (
        [(0, len(text) - 21, kind)] if kind == "private_key" else []
    )


def test_what_is_assigned_to_a_word_for_a_secret() -> None:
    assert find_secrets("password = hunter22x9!") == [(11, 22, "assigned")]
    assert find_secrets("password = config.secret_name") == [] and find_secrets("passwords: many") == []


def test_entropy() -> None:
    assert entropy_bits("aabb") == 1.0 and entropy_bits("abcdefgh") == 3.0
