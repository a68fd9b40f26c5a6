"""A Python function of the operator's own: a text goes in, out come (start, end), (start, end, entity) or (start, end,
entity, score). The file is executed as the user who runs steward: name only files that you trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steward.core.errors import Unavailable
from steward.core.extend import DetectedSpan
from steward.core.import_from_file import import_function


class FunctionDetector:
    """`reference` is path/to/file.py:name. :raises InputError: no such file or function, or it does not load"""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        import_function(reference, "privacy.detectors")

    def detect(self, text: str) -> Iterator[DetectedSpan]:
        for row in import_function(self._reference, "privacy.detectors")(text):
            yield row if isinstance(row, DetectedSpan) else _read_row(row)


def _read_row(row: Any) -> DetectedSpan:
    if not isinstance(row, tuple | list) or not 2 <= len(row) <= 4:
        raise Unavailable("the function returned something else than (start, end), with entity and score if it likes")
    return DetectedSpan(*row)
