"""Where an upstream's endpoints are, from the base URL in the settings. Pure.

A base is what a provider's documentation gives to OpenAI's SDK as `base_url`: it is taken as it stands, and `/v1` is
added only where it has no path at all. Anthropic's bases end before `/v1`, as its SDK wants them. The whole URL of an
endpoint, as documentation shows it for curl, is taken for the base before it, which may be no path at all. A query
stays, for servers that carry a version in it (Azure's `api-version`).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

ENDPOINTS: Final = ("/chat/completions", "/completions", "/embeddings", "/responses", "/messages")


class EndpointAddress(msgspec.Struct, frozen=True):
    """The path before an endpoint, the query behind it, and whether the endpoint's own `/v1` is left out."""

    prefix: str
    query: str
    strip_version: bool

    def target(self, endpoint: str) -> str:
        """The request target of an endpoint such as `/v1/chat/completions`."""
        path = endpoint.removeprefix("/v1") if self.strip_version else endpoint
        return f"{self.prefix}{path}{self.query}"


def parse_address(url: str, anthropic: bool = False) -> EndpointAddress:
    """Where the endpoints of a base URL are.

    >>> parse_address("https://open.bigmodel.cn/api/paas/v4").target("/v1/chat/completions")
    '/api/paas/v4/chat/completions'
    >>> parse_address("http://127.0.0.1:8000").target("/v1/models")
    '/v1/models'
    >>> parse_address("https://api.perplexity.ai/chat/completions").target("/v1/chat/completions")
    '/chat/completions'
    >>> parse_address("https://api.deepseek.com/anthropic", anthropic=True).target("/v1/messages")
    '/anthropic/v1/messages'
    """
    parts = urlsplit(url)
    prefix = parts.path.rstrip("/")
    named = next((endpoint for endpoint in ENDPOINTS if prefix.endswith(endpoint)), "")
    prefix = prefix.removesuffix(named)
    query = f"?{parts.query}" if parts.query else ""
    if anthropic:
        return EndpointAddress(prefix.removesuffix("/v1"), query, False)
    return EndpointAddress(prefix, query, bool(prefix or named))


def endpoint_url(url: str, endpoint: str) -> str:
    """The whole URL of an endpoint.

    >>> endpoint_url("http://127.0.0.1:8000/v1/", "/v1/models")
    'http://127.0.0.1:8000/v1/models'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parse_address(url).target(endpoint)}"
