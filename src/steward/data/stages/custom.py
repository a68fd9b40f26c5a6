"""A function of the user's own: a text goes in, out comes the new text, True to keep it, or False or None to drop it.

An exception in it fails the row, never the run; the ledger names the exception's type, not its words, which may quote
the text. The file is executed as the user who runs the pipeline: name only files that you trust.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec
import pyarrow as pa

from steward.core.errors import InputError
from steward.core.import_from_file import import_function
from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.stage import Result, get_texts, rewrite_strings
from steward.data.stage_files import list_files

Outcome = str | bool | None


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`function` is `path/to/file.py:name`. Chats and pairs are judged as one text and rewritten string by string.

    `reads` names the other files on which its answers depend, so that a run with other contents is a new one.
    """

    files: ClassVar = ("function", "reads")
    function: str
    reads: tuple[str, ...] = ()

    def check(self) -> list[str]:
        """:raises InputError: a file of `reads` is not there"""
        for pattern in self.reads:
            if not list_files(pattern):
                raise InputError(
                    f"stage custom: no file matches {pattern} (reads); name the files that the function reads"
                )
        return []

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: the file or the function does not exist or does not load."""
        function = import_function(self.function, "stage custom")
        name = self.function.rpartition(":")[2]
        dropped: list[tuple[int, str, None, None]] = []
        failed: list[tuple[int, str, str, None]] = []
        for index, text in enumerate(get_texts(batch).to_pylist()):
            outcome = _call_function(function, text)
            if isinstance(outcome, Exception):
                failed.append((index, name, type(outcome).__name__, None))
            elif outcome is None or outcome is False:
                dropped.append((index, name, None, None))
        removed = {index for index, *_ in (*dropped, *failed)}
        remaining = drop_rows(batch, removed)
        after = rewrite_strings(remaining, lambda strings: [_rewrite_text(function, string) for string in strings])
        altered = [
            (index, name, None, None)
            for index, (a, b) in enumerate(
                zip(get_texts(remaining).to_pylist(), get_texts(after).to_pylist(), strict=True)
            )
            if a != b
        ]
        ledger_entries = (
            *make_entries(batch, "custom", "drop", dropped),
            *make_entries(batch, "custom", "fail", failed),
            *make_entries(remaining, "custom", "change", altered),
        )
        return Result(after, ledger_entries)


def _call_function(judge: Callable[[str], Outcome], text: str) -> Outcome | Exception:
    try:
        outcome = judge(text)
    except Exception as error:  # the user's code: whatever it raises is this row's
        return error
    return outcome if isinstance(outcome, str | bool) or outcome is None else TypeError(type(outcome).__name__)


def _rewrite_text(judge: Callable[[str], Outcome], text: str) -> str:
    outcome = _call_function(judge, text)
    return outcome if isinstance(outcome, str) else text
