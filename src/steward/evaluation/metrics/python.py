"""A metric of the user's own: a Python function in a file beside the suite.

The function gets the answer, as filtered, and a record of the item: `id`, `question`, `references`, `contexts`,
`slices`. It returns a number from 0 to 1, true or false, or None where it cannot tell, which leaves the item unscored.
Runs ask it once an answer and keep the value, so that reports and comparisons never run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steward.core.errors import InputError
from steward.evaluation.metrics.graded import CollectedGrades, Grade, require_option


class PythonMetric(CollectedGrades):
    """The mean of what a function of yours returns: `{name: python@brevity, options: {function: metrics.py:brevity}}`.
    `version`: change it when the function changes, so that old and new values are not mixed."""

    name = "python"

    def __init__(self, function: str = "", version: str = "") -> None:
        require_option(self.name, "function", function, "path/to/file.py:function, relative to the suite")
        if ".py:" not in function:
            raise InputError(f"python: function {function!r}, expected path/to/file.py:function, relative to the suite")
        self.function = function
        self.signature = f"python|function:{function}" + (f"|version:{version}" if version else "")


def grade_from_python(value: object) -> Grade:
    """
    >>> grade_from_python(True).value, grade_from_python(0.25).value, grade_from_python(None).why
    (1.0, 0.25, 'the function returned None: it cannot tell')
    """
    if value is None:
        return Grade(why="the function returned None: it cannot tell")
    if isinstance(value, bool):
        return Grade(float(value))
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        return Grade(why=f"the function returned {value!r}, expected a number from 0 to 1")
    return Grade(float(value))


def describe_item(item: Any, question: str) -> Mapping[str, Any]:
    """What the function learns of an item."""
    return {
        "id": item.id,
        "question": question,
        "references": list(item.references),
        "contexts": list(item.contexts),
        "slices": dict(item.slices),
    }
