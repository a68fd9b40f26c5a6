"""What a message repeats of something long: a text that somebody sent, what another program said.

A message must not grow with what it is about. The limits stand here alone; a text that is cut ends in an ellipsis.
"""

from __future__ import annotations

from typing import Final

TEXT_CHARACTERS: Final = 100
REASON_CHARACTERS: Final = 200


def cut_text(value: object) -> str:
    """A name or value that somebody sent, in at most 100 characters.

    >>> cut_text("gpt-4o"), len(cut_text("x" * 1000))
    ('gpt-4o', 100)
    """
    return _cut(str(value), TEXT_CHARACTERS)


def cut_reason(reason: object) -> str:
    """What an error or another program says, on one line of at most 200 characters; an error's type if it is silent.

    >>> cut_reason(ValueError("no magic bytes\\n  at 0")), cut_reason(TimeoutError())
    ('no magic bytes at 0', 'TimeoutError')
    """
    silent = type(reason).__name__ if isinstance(reason, BaseException) else ""
    return _cut(" ".join(str(reason).split()) or silent, REASON_CHARACTERS)


def cut_digest(digest: str) -> str:
    """The first 12 hex digits of a SHA-256, by which it is shown and told apart from all others of a home.

    >>> cut_digest("sha256:3f9c1a7b52d84e06")
    '3f9c1a7b52d8'
    """
    return digest.removeprefix("sha256:")[:12]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
