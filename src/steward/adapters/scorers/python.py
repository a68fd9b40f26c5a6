"""Functions of the user's own: a metric, which sees an answer and its item, and a tool, which a model calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from steward.core.errors import Unavailable
from steward.core.import_from_file import import_function


class PythonFunction:
    """`function` is `path/to/file.py:name`. :raises InputError: no such file or function"""

    def __init__(self, function: str) -> None:
        self._function = cast(Any, import_function(function, "python"))

    def call(self, answer: str, item: Mapping[str, Any]) -> object:
        """:raises Unavailable: the function failed; the next run asks again"""
        try:
            return self._function(answer, item)
        except Exception as error:  # the user's code: whatever it raises is this item's
            raise Unavailable(f"the metric failed: {type(error).__name__}: {error}") from error


class PythonTool:
    """Called with the model's arguments by name. :raises InputError: no such file or function"""

    def __init__(self, function: str) -> None:
        self._function = cast(Any, import_function(function, "tool"))

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Text as it is, anything else as JSON. What the function raises is what the model is told."""
        try:
            result = self._function(**arguments)
        except Exception as error:  # the user's code: a model that calls it wrongly learns so
            return f"error: {type(error).__name__}: {error}"
        return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
