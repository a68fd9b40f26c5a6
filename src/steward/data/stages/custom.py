"""A function of the user's own: a text goes in, out comes the new text, True to keep it, or False or None to drop it.

An exception in it fails the row, never the run; the ledger names the exception's type, not its words, which may quote
the text. The file is executed as the user who runs the pipeline: name only files that you trust.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.data.changes import entries, without
from steward.data.stage import Result, rewritten, texts

Outcome = str | bool | None


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`function` is `path/to/file.py:name`. Chats and pairs are judged as one text and rewritten string by string."""

    function: str

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: the file or the function does not exist or does not load."""
        judge = load(self.function)
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


@lru_cache
def load(function: str) -> Callable[[str], Outcome]:
    """:raises InputError: no such file, or it does not load; UnknownName where the function is missing."""
    path, _, name = function.rpartition(":")
    if not path or not Path(path).is_file():
        raise InputError(f"stage custom: no file {path!r}; expected function: path/to/file.py:name, got {function!r}")
    spec = importlib.util.spec_from_file_location(f"steward_custom_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"stage custom: {path} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"stage custom: {path} does not load: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise UnknownName("function", name, [key for key, value in vars(module).items() if callable(value)], path)
    return found  # type: ignore[no-any-return]
