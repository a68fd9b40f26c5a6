"""Which web pages may call the gateway from a browser: cross-origin resource sharing. Pure.

None by default. An origin is allowed where the settings name it: exactly, with `*.` for any subdomain, with `:*` for
any port, `null` for pages without an origin of their own, or `*` for all. A key travels in a header that the page's own
script sets, so the browser need not send what it has stored (`credentials`), and never may where the origin is anybody.
Source: WHATWG Fetch, section 3.3 (HTTP extensions of the CORS protocol).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text

Headers = tuple[tuple[bytes, bytes], ...]

EXPOSED: Final = (  # of our answers, beside those that every page may read
    "request-id", "x-request-id", "x-upstream-request-id", "retry-after", "retry-after-ms", "x-should-retry",
    "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
    "x-ai-generated", "x-steward-guards", "x-steward-dropped", "x-steward-max-output-tokens", "x-steward-token-count",
)  # fmt: skip
_EXPOSE: Final = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_VARY: Final = (b"vary", b"Origin")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_MOST_HEADERS: Final = 64  # that a pre-flight may ask for
_ORIGIN: Final = re.compile(  # as browsers send it, or a pattern for some
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<any>\*\.)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}|\*))?"
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def normalise_origin(written: str) -> str:
    """An origin or pattern as it is compared: in lower case, without the scheme's own port.

    :raises ValueError: what is written is none

    >>> normalise_origin("HTTPS://*.Example.com:443")
    'https://*.example.com'
    """
    plain = written.strip().lower()
    if plain in ("*", "null"):
        return plain
    match = _ORIGIN.fullmatch(plain)
    if match is None:
        hint = " without a path or a slash at its end" if re.match(r"[a-z][a-z0-9+.-]*://[^/]+/", plain) else ""
        raise ValueError(
            f"{cut_text(written)!r} is not an origin; write it as browsers send it{hint}, such as "
            "https://app.example.com, https://*.example.com, http://localhost:*, null, or *"
        )
    if match["port"] is not None and match["port"] == _DEFAULT_PORTS.get(match["scheme"]):
        return plain.rpartition(":")[0]
    return plain


class CorsPolicy(msgspec.Struct, frozen=True):
    """Who may call, and what the browser is told. `origins` are normalised."""

    origins: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int = 600

    def headers(self, origin: str | None) -> Headers:
        """What every answer to `origin` carries."""
        if origin is None or not self.allows(origin):
            return () if "*" in self.origins else (_VARY,)
        if "*" in self.origins:
            return ((b"access-control-allow-origin", b"*"), _EXPOSE)
        allowed: Headers = ((b"access-control-allow-origin", origin.encode("latin-1")), _VARY, _EXPOSE)
        return (*allowed, (b"access-control-allow-credentials", b"true")) if self.credentials else allowed

    def preflight(self, origin: str, methods: Iterable[str], asked: str) -> Headers:
        """What the answer to a pre-flight carries beside `headers`: the path's `methods`, the `asked` headers.

        :raises Refused: 403, the origin may not call
        """
        if not self.allows(origin):
            raise Refused(
                f"The origin {cut_text(origin)!r} may not call this gateway from a browser. Its operator can allow it: "
                "add it to gateway.cors.origins in steward.yaml.",
                status=403,
                type="invalid_request_error",
                code="origin_not_allowed",
            )
        names = [name.strip().lower() for name in asked.split(",")[:_MOST_HEADERS]]
        return (
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", ", ".join(name for name in names if _TOKEN.fullmatch(name)).encode()),
            (b"access-control-max-age", str(self.max_age_s).encode()),
        )

    def allows(self, origin: str) -> bool:
        """
        >>> CorsPolicy(("https://*.example.com",)).allows("https://a.b.example.com")
        True
        """
        if "*" in self.origins:
            return True
        plain = origin.lower()
        return any(plain == pattern or ("*" in pattern and _fits(plain, pattern)) for pattern in self.origins)


def _fits(origin: str, pattern: str) -> bool:
    sent, wanted = _ORIGIN.fullmatch(origin), _ORIGIN.fullmatch(pattern)
    if sent is None or wanted is None or sent["any"] or sent["scheme"] != wanted["scheme"]:
        return False
    if wanted["port"] != "*" and sent["port"] != wanted["port"]:
        return False
    if wanted["any"]:
        return bool(sent["host"].endswith("." + wanted["host"]))
    return bool(sent["host"] == wanted["host"])
