"""Credentials in texts: private keys, API keys, tokens, passwords in URLs, and strings of high entropy.

The shapes are those that the issuers document (GitHub, AWS, Slack, Stripe, Google, OpenAI, JSON Web Tokens in RFC 7519,
PEM in RFC 7468). A string without a known shape counts as a secret when a word such as `token` stands before it, or
when its characters carry `entropy` bits each (Shannon) and it mixes cases and digits; hexadecimal digests do not.
"""

from __future__ import annotations

import math
import re
from collections import Counter

_SHAPES = {
    "private_key": r"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----[\s\S]{0,20000}?"
    r"(?:-----END (?:[A-Z]{2,10} )?PRIVATE KEY-----|\Z)",
    "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,255})\b",
    "aws_access_key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "slack_token": r"\bxox[abposr]-[A-Za-z0-9-]{10,250}\b",
    "stripe_key": r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}\b",
    "google_api_key": r"\bAIza[A-Za-z0-9_-]{35}",
    "openai_key": r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{20,250}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,2000}",
    "url_password": r"(?<=://)[^\s:/@]{1,80}:[^\s:/@]{3,120}(?=@)",
}  # fmt: skip
_ASSIGNED = re.compile(
    r"(?i:(?:(?:api|access|account|private)[_-]?key"
    r"|secret|token|passwd|password|pwd|credentials?)(?:[_-]?(?:key|id|value|access[_-]?key))?)(?![A-Za-z])"
    r"[\"']?[ \t]{0,3}(?:=>|:=|[:=])[ \t]{0,3}[\"']?(?P<value>[A-Za-z0-9+/_\-.=~!@#$%^&*]{8,250})"
)
_ALL = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in _SHAPES.items()))
_LONG = re.compile(r"(?<![A-Za-z0-9+/_\-=])[A-Za-z0-9+/_\-]{28,250}={0,2}(?![A-Za-z0-9+/_\-=])")
_ASSIGNED_BITS = 2.9  # per character: eight different ones have 3
_NOT_ASSIGNED = re.compile(  # a name, a path or a place for a value, which is not a value
    r"(?i)^(?:[a-z_]\w*(?:\.[a-z_]\w*)+|[a-z_]+[0-9]{0,2}|\$.*|%.*%?|.*(?:example|changeme|your[_-]|xxxx|placeholder|redacted|\*{3}).*"
    r"|[~./]+[\w./-]*|[\d.,:/+-]+)$"
)
_PUBLIC = re.compile(  # what is meant to be seen, or only looks random: keys and certificates, embedded files, URLs
    r"-----BEGIN (?:[A-Z0-9]{1,10} )*(?:PUBLIC KEY|CERTIFICATE)(?: BLOCK| REQUEST)?-----[\s\S]{0,20000}?-----END[^\n]*"
    r"|\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\w+) [A-Za-z0-9+/=]+|\bAAAA[A-Za-z0-9+/=]{20,}"
    r"|\b(?i:sha)(?:1|224|256|384|512)[-:= ]+[A-Za-z0-9+/=]+|\bdata:[\w/+.-]+;base64,[A-Za-z0-9+/=]+"
    r"|\b[a-z][a-z0-9+.-]*://[^\s\"'<>`]+|\bwww\.[^\s\"'<>`]+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/[^\s\"'<>`]*"
)
_WORD_LIKE = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_PATH_PART = re.compile(r"[a-z]{3,}|[A-Z][a-z]{2,}|[a-z]+[-_.][a-z]+")


Span = tuple[int, int, str]  # start, end, kind


def find_secrets(text: str, entropy: float = 4.3) -> list[Span]:
    """Start, end and kind of each secret, in order, without overlaps."""
    secrets = _find_known_shapes(text)
    if not entropy:
        return secrets
    candidates = [match.span() for match in _LONG.finditer(text) if _is_random(match.group(), entropy)]
    if not candidates:
        return secrets
    covered = [*((start, end) for start, end, _ in secrets), *(match.span() for match in _PUBLIC.finditer(text))]
    secrets += [
        (start, end, "high_entropy") for start, end in candidates if all(end <= a or start >= b for a, b in covered)
    ]
    return sorted(secrets)


def _find_known_shapes(text: str) -> list[Span]:
    shapes = [(*match.span(), str(match.lastgroup)) for match in _ALL.finditer(text)]
    if "=" in text or ":" in text:
        for match in _ASSIGNED.finditer(text):
            start, end = match.span("value")
            if _is_password(match["value"]) and all(end <= a or start >= b for a, b, _ in shapes):
                shapes.append((start, end, "assigned"))
    return sorted(shapes)


def _is_password(value: str) -> bool:
    """A value with letters and digits that is no name of something else."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and entropy_bits(value) >= _ASSIGNED_BITS and not _NOT_ASSIGNED.match(value)


def _is_random(word: str, entropy: float) -> bool:
    """Of many characters that no rule of a language explains: not a path, nor an identifier made of words."""
    mixed = any(map(str.isdigit, word)) and any(map(str.islower, word)) and any(map(str.isupper, word))
    if not mixed or entropy_bits(word) < entropy:
        return False
    if "/" in word and any(_PATH_PART.fullmatch(part) for part in word.split("/")):
        return False
    return sum(len(part) for part in _WORD_LIKE.findall(word)) < len(word) / 2


def entropy_bits(word: str) -> float:
    """Shannon entropy of the characters, bits each.

    >>> entropy_bits("aabb"), entropy_bits("abcd")
    (1.0, 2.0)
    """
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())
