"""Text of others on the operator's terminal: shown, never obeyed."""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

_BIDIRECTIONAL: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def neutralise(text: str) -> str:
    """The text without characters that move the cursor, colour, name the window or turn the direction of writing; a
    visible mark stands for each. Line ends and tabs stay.

    >>> neutralise("done" + chr(27) + "[2J")
    'done\ufffd[2J'
    """
    return "".join("\ufffd" if _is_control(letter) else letter for letter in text)


def neutralise_for_terminal(text: str) -> str:
    """As `neutralise` where the output is a terminal; a file or a pipe gets every character as it was."""
    return neutralise(text) if sys.stdout.isatty() else text


def write_note(text: str) -> None:
    """A line beside the output, on stderr: a warning, progress. What it quotes is shown, never obeyed."""
    sys.stderr.write(f"{neutralise(text) if sys.stderr.isatty() else text}\n")
    sys.stderr.flush()


def escape_json(text: str) -> str:
    """JSON that says the same without such characters: those that its strings may hold as they are become escapes.

    >>> escape_json('{"a": "' + chr(0x9b) + '2J"}')
    '{"a": "\\\\u009b2J"}'
    """
    return "".join(f"\\u{ord(letter):04x}" if _is_control(letter) else letter for letter in text)


def _is_control(letter: str) -> bool:
    return letter not in "\n\t" and (unicodedata.category(letter) == "Cc" or letter in _BIDIRECTIONAL)
