"""A function of the user's own: a text goes in, out comes the new text, True to keep it, or False or None to drop it.

An exception in it fails the row, never the run; the ledger names the exception's type, not its words, which may quote
the text. The file is executed as the user who runs the pipeline: name only files that you trust.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pyarrow as pa

from steward.core.functions import load_function
from steward.data.changes import entries, without
from steward.data.stage import Result, rewritten, texts

Outcome = str | bool | None


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`function` is `path/to/file.py:name`. Chats and pairs are judged as one text and rewritten string by string."""

    function: str

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: the file or the function does not exist or does not load."""
        judge = load_function(self.function, "stage custom")
        name = self.function.rpartition(":")[2]
        dropped: list[tuple[int, str, None, None]] = []
        failed: list[tuple[int, str, str, None]] = []
        for index, text in enumerate(texts(batch).to_pylist()):
            outcome = _outcome(judge, text)
            if isinstance(outcome, Exception):
                failed.append((index, name, type(outcome).__name__, None))
            elif outcome is None or outcome is False:
                dropped.append((index, name, None, None))
        gone = {index for index, *_ in (*dropped, *failed)}
        left = without(batch, gone)
        after = rewritten(left, lambda strings: [_text(judge, string) for string in strings])
        altered = [
            (index, name, None, None)
            for index, (a, b) in enumerate(zip(texts(left).to_pylist(), texts(after).to_pylist(), strict=True))
            if a != b
        ]
        found = (
            *entries(batch, "custom", "drop", dropped),
            *entries(batch, "custom", "fail", failed),
            *entries(left, "custom", "change", altered),
        )
        return Result(after, found)


def _outcome(judge: Callable[[str], Outcome], text: str) -> Outcome | Exception:
    try:
        outcome = judge(text)
    except Exception as error:  # the user's code: whatever it raises is this row's
        return error
    return outcome if isinstance(outcome, str | bool) or outcome is None else TypeError(type(outcome).__name__)


def _text(judge: Callable[[str], Outcome], text: str) -> str:
    outcome = _outcome(judge, text)
    return outcome if isinstance(outcome, str) else text
