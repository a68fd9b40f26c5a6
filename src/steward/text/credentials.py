"""Credentials in texts: private keys, API keys, tokens, passwords in URLs, and strings of high entropy.

The shapes are those that the issuers document (GitHub, GitLab, npm, PyPI, Hugging Face, SendGrid, AWS, Slack, Stripe,
Google, OpenAI, JSON Web Tokens in RFC 7519, PEM in RFC 7468, bearer tokens in RFC 6750). A string without a known shape
counts as a secret when a word such as `token` stands before it, or when its characters carry `entropy` bits each
(Shannon) and it mixes cases and digits; hexadecimal digests do not.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

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
    "bearer_token": r"\b[Bb]earer[ ]+(?=[A-Za-z._~+/-]{0,60}\d)[A-Za-z0-9._~+/-]{20,2000}=*",
    "gitlab_token": r"\bglpat-[A-Za-z0-9_-]{20,250}",
    "npm_token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi_token": r"\bpypi-AgE[A-Za-z0-9_-]{50,1000}",
    "hugging_face_token": r"\bhf_[A-Za-z]{34}\b",
    "sendgrid_key": r"\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}\b",
    "slack_webhook": r"\bhooks\.slack\.com/services/T[A-Z0-9]{3,}/B[A-Z0-9]{3,}/[A-Za-z0-9]{8,64}",
    "google_oauth_secret": r"\bGOCSPX-[A-Za-z0-9_-]{20,60}",
    "url_password": r"(?<=://)[^\s:/@]{0,80}:[^\s:/@]{3,120}(?=@)",
}  # fmt: skip
_MARKS: dict[str, tuple[str, ...]] = {  # a text without one of them holds no such shape: ten times as fast to see
    "private_key": ("PRIVATE KEY-----",), "github_token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "aws_access_key": ("AKIA", "ASIA"), "slack_token": ("xox",), "stripe_key": ("k_live_", "k_test_"),
    "google_api_key": ("AIza",), "openai_key": ("sk-",), "jwt": ("eyJ",), "bearer_token": ("earer ",),
    "gitlab_token": ("glpat-",), "npm_token": ("npm_",), "pypi_token": ("pypi-AgE",), "hugging_face_token": ("hf_",),
    "sendgrid_key": ("SG.",), "slack_webhook": ("hooks.slack.com/",), "url_password": ("://",),
    "google_oauth_secret": ("GOCSPX-",),
}  # fmt: skip
_ASSIGNED = re.compile(
    r"(?i:(?:(?:api|access|account|private)[_-]?key"
    r"|secret|token|passwd|password|pwd|credentials?)(?:[_-]?(?:key|id|value|access[_-]?key))?)(?![A-Za-z])"
    r"[\"']?[ \t]{0,3}(?:=>|:=|[:=]|>(?=[^<>\s]{8,250}</))[ \t]{0,3}[\"']?(?P<value>[A-Za-z0-9+/_\-.=~!@#$%^&*]{8,250})"
)
_PATTERNS = {name: re.compile(shape) for name, shape in _SHAPES.items()}
_LONG = re.compile(r"(?<![A-Za-z0-9+/_\-=])[A-Za-z0-9+/_\-]{28,250}={0,2}(?![A-Za-z0-9+/_\-=])")
# What is given to a program, by its manual: `curl -u user:password`, `mysql -ppassword`; and variables of a shell,
# where a word that stands bare is a value and no name.
_VALUE = r"(?P<value>[^\s\"'<>{}\[\]()|$%,;]{5,120})(?![<>{}\[\]()$%])"
_VARIABLE = "(?:PASSWORD|PASSWD|PASSPHRASE|PWD|SSHPASS|REDISCLI_AUTH)="
_GIVEN = {  # by what a text has that holds one
    "curl ": r"\bcurl [^\n|;]{0,300}?(?<= )(?:-u|--user|-U|--proxy-user)[ =]?[\"']?[^\s:\"'-][^\s:\"']{0,80}:",
    "wget ": r"\bwget [^\n|;]{0,300}?(?<= )--(?:http-|ftp-|proxy-)?password[ =][\"']?",
    "mysql": r"\bmysql(?:dump|admin|import|check|show)?(?: +[\w.]+)?(?: +-\S+(?: +[^\s-]\S*)?){0,9}? +-p[\"']?",
    "mariadb": r"\bmariadb(?:-\w+)?(?: +[\w.]+)?(?: +-\S+(?: +[^\s-]\S*)?){0,9}? +-p[\"']?",
    "sshpass ": r"\bsshpass +-p *[\"']?",
    "redis-cli ": r"\bredis-cli [^\n|;]{0,300}?(?<= )-a +[\"']?",
    "PASSW": rf"{_VARIABLE}[\"']?", "PASSPHRASE=": rf"{_VARIABLE}[\"']?", "PWD=": rf"{_VARIABLE}[\"']?",
    "SSHPASS=": rf"{_VARIABLE}[\"']?", "REDISCLI_AUTH=": rf"{_VARIABLE}[\"']?",
}  # fmt: skip
_GIVEN_PATTERNS = {mark: re.compile(shape + _VALUE) for mark, shape in _GIVEN.items()}
_SHELL = re.compile(  # before a variable's name, or its beginning
    r"(?:(?:\A|\n|export |[ ]-e |ENV )[A-Z0-9_]{0,60}|\b(?:PG|MYSQL_))(?:PASSWORD|PASSWD|PASSPHRASE|PWD)=[\"']?\Z"
    r"|\b(?:SSHPASS|REDISCLI_AUTH)=[\"']?\Z"
)
_NOT_GIVEN = re.compile(  # a place for a value, a path, an address
    r"(?i)^(?:(?:my|the|your|some)?[_-]?(?:user)?(?:pass|passwd|password|passphrase|pwd|secret|test)[_-]?[0-9]{0,4}"
    r"|.*(?:example|change_?me|your[_-]|xxxx|placeholder|redacted|\*{3}).*|[~./]+[\w./-]*|.*://.*)$"
)
_ASSIGNED_BITS = 2.6  # per character: eight different ones have 3, of which two may come twice
_AWS_SECRET = re.compile(r"(?i)secret_?access_?key[\"']?[ \t]*(?:=>|:=|[:=])[ \t]*[\"']?$")  # 40 characters follow
_NOT_ASSIGNED = re.compile(  # a name, a path or a place for a value, which is not a value
    r"(?i)^(?:[a-z_]\w*(?:\.[a-z_]\w*)+|[a-z_]+[0-9]{0,2}|\$.*|%.*%?|.*(?:example|changeme|your[_-]|xxxx|placeholder|redacted|\*{3}).*"
    r"|[~./]+[\w./-]*|[\d.,:/+-]+)$"
)
_PUBLIC = re.compile(  # what is meant to be seen, or only looks random: keys and certificates, embedded files, URLs
    r"-----BEGIN (?:[A-Z0-9]{1,10} )*(?:PUBLIC KEY|CERTIFICATE)(?: BLOCK| REQUEST)?-----[\s\S]{0,20000}?-----END[^\n]*"
    r"|\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\w+) [A-Za-z0-9+/=]+|\bAAAA[A-Za-z0-9+/=]{20,}"
    r"|\b(?i:sha)(?:1|224|256|384|512)[-:= ]+[A-Za-z0-9+/=]+|\bdata:[\w/+.-]+;base64,[A-Za-z0-9+/=]+"
    r"|(?<!\w)_{1,2}(?:Z|RN)\w{6,}"  # names of functions as linkers have them (Itanium C++ ABI, Rust)
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
    covered = secrets + [(*match.span(), "public") for match in _PUBLIC.finditer(text)]
    secrets += [(start, end, "high_entropy") for start, end in candidates if _is_apart(start, end, covered)]
    return sorted(secrets)


def _find_known_shapes(text: str) -> list[Span]:
    shapes: list[Span] = []
    for name, marks in _MARKS.items():
        if any(mark in text for mark in marks):
            shapes += [(*match.span(), name) for match in _PATTERNS[name].finditer(text)]
    shapes = _leave_out_overlaps(shapes)
    if "=" in text or ":" in text or "</" in text:
        for match in _ASSIGNED.finditer(text):
            start, end = match.span("value")
            known = len(match["value"]) == 40 and _AWS_SECRET.search(text, max(0, start - 40), start)
            if (known or _is_password(match["value"])) and _is_apart(start, end, shapes):
                shapes.append((start, end, "assigned"))
    for start, end in _find_given(text):
        if _is_apart(start, end, shapes):
            shapes.append((start, end, "assigned"))
    return sorted(shapes)


def _is_apart(start: int, end: int, spans: list[Span]) -> bool:
    """Whether it overlaps none of them; it may touch them."""
    return all(end <= other_start or start >= other_end for other_start, other_end, _ in spans)


def _leave_out_overlaps(spans: list[Span]) -> list[Span]:
    """Of spans that overlap the first; of those that begin together the longest."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda one: (one[0], -one[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _is_password(value: str) -> bool:
    """A value with letters and digits that is no name of something else."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and entropy_bits(value) >= _ASSIGNED_BITS and not _NOT_ASSIGNED.match(value)


def _find_given(text: str) -> Iterator[tuple[int, int]]:
    """Where passwords stand that are given to a program; the same place may come twice."""
    for mark, pattern in _GIVEN_PATTERNS.items():
        if mark not in text:
            continue
        for match in pattern.finditer(text):
            start, end = match.span("value")
            if mark.isupper() and not _SHELL.search(text, max(0, match.start() - 70), start):
                continue
            if _is_given(match["value"]):
                yield start, end


def _is_given(value: str) -> bool:
    """With letters and digits, and no place for a value: what stands there is a password, whatever it looks like."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not _NOT_GIVEN.match(value)


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
