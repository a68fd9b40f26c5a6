"""C6: where an upstream's endpoints are.

Bases and endpoints are those of the providers' documentation: OpenAI, Azure OpenAI, Google's OpenAI-compatible API,
Perplexity, DeepSeek's for Anthropic's SDK, and Anthropic.
"""

from __future__ import annotations

import pytest

from steward.adapters.engines.address import endpoint_url, parse_address

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("https://api.openai.com/v1", "/v1/chat/completions"),
        ("https://api.openai.com/v1/", "/v1/chat/completions"),
        ("https://api.openai.com", "/v1/chat/completions"),
        ("https://api.openai.com/", "/v1/chat/completions"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "/v1beta/openai/chat/completions"),
        ("https://api.perplexity.ai/chat/completions", "/chat/completions"),
        ("https://api.openai.com/v1/chat/completions", "/v1/chat/completions"),
        ("https://api.openai.com/v1/embeddings", "/v1/chat/completions"),
        (
            "https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_c6_a_base_is_taken_as_openais_sdk_takes_it(base: str, target: str) -> None:
    assert parse_address(base).target(CHAT) == target


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("https://api.anthropic.com", "/v1/messages"),
        ("https://api.anthropic.com/v1", "/v1/messages"),
        ("https://api.anthropic.com/v1/messages", "/v1/messages"),
        ("https://api.deepseek.com/anthropic", "/anthropic/v1/messages"),
    ],
)
def test_c6_anthropics_bases_end_before_the_version(base: str, target: str) -> None:
    assert parse_address(base, anthropic=True).target("/v1/messages") == target


def test_a_whole_url_has_its_scheme_and_host() -> None:
    assert endpoint_url("https://h:8443/api/v4?a=b", "/v1/models") == "https://h:8443/api/v4/models?a=b"
