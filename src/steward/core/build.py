"""Which build of steward runs: the pure wheel, or one whose hot modules are compiled (docs/decisions/0048)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal


def name_build() -> Literal["compiled", "pure Python"]:
    """What lies beside this source, not what another installation on the path has."""
    spec = find_spec("steward__mypyc")  # the object that all compiled modules share
    beside = spec is not None and spec.origin is not None and Path(spec.origin).parent == Path(__file__).parents[2]
    return "compiled" if beside else "pure Python"
