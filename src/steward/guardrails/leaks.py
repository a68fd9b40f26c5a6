"""What an answer must not carry away: secrets, and addresses that a reader's program would ask for.

A model that was told to can write what it knows into the address of a picture; whoever shows the answer asks for it at
once, and the host learns it. So addresses of hosts that nobody allowed are taken out, in Markdown, HTML and plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from steward.guardrails.check import GuardCheck
from steward.text.credentials import find_secrets

REMOVED: Final = "[link removed]"
REDACTED: Final = "[SECRET REDACTED]"
LONGEST_HELD: Final = 4096  # characters of one word that wait for its end
_ADDRESS: Final = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]{1,30}:[/\\]{2}[^\s<>\"'`)\]}|]+"
    r"|(?<![\w:/\\])[/\\]{2}[\w-]{1,63}\.[^\s<>\"'`)\]}|]+|\b(?:javascript|data):[^\s<>\"'`)\]}|]+"
    r"|(?<![\w@/.])www\.[^\s<>\"'`)\]}|]+"
)
_LAST_WORD: Final = re.compile(r"\S+\Z")


def hold_word(text: str, last: bool) -> tuple[str, str]:
    """(up to the last word, the word that may go on); a word that is too long does not wait."""
    match = None if last else _LAST_WORD.search(text, max(0, len(text) - LONGEST_HELD - 1))
    if match is None or len(match[0]) > LONGEST_HELD:
        return text, ""
    return text[: match.start()], match[0]


class LinksCheck(GuardCheck):
    """`hosts` and their subdomains stay; all other addresses go."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = [host.casefold().lstrip(".") for host in hosts]

    def rewrite(self, text: str, last: bool) -> tuple[str, str]:
        ready, held = hold_word(text, last)
        return _ADDRESS.sub(lambda match: match[0] if self._is_allowed(match[0]) else REMOVED, ready), held

    def _is_allowed(self, address: str) -> bool:
        try:
            host = (urlsplit(address if "//" in address else f"//{address}").hostname or "").rstrip(".")
        except ValueError:
            return False
        scheme = address.partition("//")[0].casefold()
        web = scheme in ("http:", "https:", "") and "\\" not in address
        return web and any(host == allowed or host.endswith(f".{allowed}") for allowed in self._hosts)


class SecretsCheck(GuardCheck):
    """Keys and passwords: in a request they are a reason, in an answer they are taken out."""

    def judge_request(self, texts: Sequence[str]) -> str:
        kinds = sorted({kind for text in texts for _, _, kind in find_secrets(text)})
        return f"secrets ({' '.join(kinds)})" if kinds else ""

    def rewrite(self, text: str, last: bool) -> tuple[str, str]:
        ready, held = hold_word(text, last)
        out, at = [], 0
        for start, end, _ in find_secrets(ready):
            out += [ready[at:start], REDACTED]
            at = end
        return "".join([*out, ready[at:]]), held
