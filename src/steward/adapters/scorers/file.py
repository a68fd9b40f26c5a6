"""A function of the user's own: a text goes in, out comes a number from 0 to 1."""

from __future__ import annotations

from steward.core.errors import Unavailable
from steward.core.import_from_file import import_function


class FileScorer:
    """`function` is `path/to/file.py:name`. :raises InputError: no such file or function"""

    def __init__(self, function: str) -> None:
        self._function = import_function(function, "scorer")

    def score(self, text: str) -> float:
        try:
            return self._function(text)  # type: ignore[no-any-return]
        except Exception as error:  # the user's code: whatever it raises is this text's
            raise Unavailable(f"the scorer failed: {type(error).__name__}: {error}") from error
