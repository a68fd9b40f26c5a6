"""Credentials that strayed into texts: private keys, API keys, tokens, passwords in URLs, and strings of high entropy.

The shapes are those that the issuers document (GitHub, AWS, Slack, Stripe, Google, OpenAI, JSON Web Tokens in RFC 7519,
PEM in RFC 7468). A string without a known shape counts as a secret when a word such as `token` stands before it, or
when its characters carry `entropy` bits each (Shannon) and it mixes cases and digits; hexadecimal digests do not.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec
import pyarrow as pa

from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.row_strings import get_all_texts, rewrite_all_texts
from steward.data.stage import Result

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
    "assigned": r"(?i:\b(?:api[_-]?key|secret(?:[_-]?key)?|access[_-]?token|auth[_-]?token|token|passwd|password)\b)"
    r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?P<value>[A-Za-z0-9+/_\-.=~!$%^&*]{12,250})",
}  # fmt: skip
_ALL = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in _SHAPES.items()))
_LONG = re.compile(r"(?<![A-Za-z0-9+/_\-=])[A-Za-z0-9+/_\-]{28,250}={0,2}(?![A-Za-z0-9+/_\-=])")
_ASSIGNED_BITS = 3.2  # per character: above `changeme_please` and other words


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mode` says whether the secret is masked or the row dropped. `entropy` in bits a character; 0 switches it off.

    Every text of the row is read: content, tool calls, reasoning and the other columns; not its id, and not the
    columns that `skip` names.
    """

    mode: Literal["mask", "drop"] = "mask"
    entropy: float = 4.3
    skip: tuple[str, ...] = ()

    def apply(self, batch: pa.RecordBatch) -> Result:
        kinds = [
            Counter(kind for _, _, kind in find_secrets(text, self.entropy)) for text in get_all_texts(batch, self.skip)
        ]
        rules = [(index, kind, float(n), 0.0) for index, row in enumerate(kinds) for kind, n in sorted(row.items())]
        if self.mode == "mask":
            after = rewrite_all_texts(
                batch, lambda strings: [mask_secrets(string, self.entropy) for string in strings], self.skip
            )
            return Result(after, tuple(make_entries(batch, "secrets", "change", rules)))
        first = {rule[0]: rule for rule in reversed(rules)}
        dropped = tuple(make_entries(batch, "secrets", "drop", [first[index] for index in sorted(first)]))
        return Result(drop_rows(batch, set(first)), dropped)


def mask_secrets(text: str, entropy: float = 4.3) -> str:
    """Each secret replaced by its kind.

    >>> mask_secrets("export KEY=AKIAIOSFODNN7EXAMPLE")
    'export KEY=[AWS_ACCESS_KEY]'
    """
    for start, end, kind in reversed(list(find_secrets(text, entropy))):
        text = f"{text[:start]}[{kind.upper()}]{text[end:]}"
    return text


def find_secrets(text: str, entropy: float = 4.3) -> list[tuple[int, int, str]]:
    """Start, end and kind of each secret, in order, without overlaps."""
    known_secrets = list(_find_known_shapes(text))
    if not entropy:
        return known_secrets
    secrets = sorted(known_secrets)
    for found in _LONG.finditer(text):
        start, end = found.span()
        if all(end <= a or start >= b for a, b, _ in known_secrets) and _is_random(found.group(), entropy):
            secrets.append((start, end, "high_entropy"))
    return sorted(secrets)


def _find_known_shapes(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _ALL.finditer(text):
        kind = str(found.lastgroup)
        if found["assigned"]:
            start, end = found.span("value")
            if entropy_bits(found["value"]) >= _ASSIGNED_BITS and any(map(str.isdigit, found["value"])):
                yield start, end, "assigned"
        else:
            yield *found.span(), kind


def _is_random(word: str, entropy: float) -> bool:
    mixed = any(map(str.isdigit, word)) and any(map(str.islower, word)) and any(map(str.isupper, word))
    return mixed and entropy_bits(word) >= entropy


def entropy_bits(word: str) -> float:
    """Shannon entropy of the characters, bits each.

    >>> entropy_bits("aabb"), entropy_bits("abcd")
    (1.0, 2.0)
    """
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())
