"""Two tool calls at once in the shapes that servers stream them in (C9)."""

from __future__ import annotations

import pytest

from compatibility.events import call

SAME_INDEX = [
    [call(0, "f", '{"a":', "id1")],
    [call(0, None, "1}")],
    [call(0, "g", '{"b":', "id2")],
    [call(0, None, "2}")],
]
NO_INDEX = [[call(None, "f", '{"a":1}', "id1")], [call(None, "g", '{"b":2}', "id2")]]
AT_ONCE = [[call(0, "f", '{"a":1}', "id1"), call(0, "g", '{"b":2}', "id2")]]
IN_TURN = [
    [call(0, "f", "", "id1"), call(1, "g", "", "id2")],
    [call(1, None, '{"b":')],
    [call(0, None, '{"a":1}')],
    [call(1, None, "2}")],
]
REPEATED_NAME = [[call(0, "f", '{"a":', "id1")], [call(0, "f", "1}", "id1")], [call(1, "g", '{"b":2}', "id2")]]
SHAPES = pytest.mark.parametrize("fragments", [SAME_INDEX, NO_INDEX, AT_ONCE, IN_TURN, REPEATED_NAME])
