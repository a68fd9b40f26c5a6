"""Text files as people's editors write them: UTF-8 with or without a mark at its beginning, any line ends."""

from __future__ import annotations

from pathlib import Path

from steward.core.errors import InputError
from steward.evaluation.text_tokens import unify_line_ends


def read_text_file(path: Path, expected: str) -> str:
    """The text with "\\n" for every line end. `expected`: what the file should be, for the error.

    :raises InputError: not readable, or not UTF-8, by its first wrong byte
    """
    try:
        return str(unify_line_ends(path.read_bytes().decode("utf-8-sig")))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected {expected}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; convert the file to UTF-8") from error
