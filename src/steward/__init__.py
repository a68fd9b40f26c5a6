"""steward looks after a language model in production.

    steward.score        one metric over answers, with an interval
    steward.evaluate     a suite against a model
    steward.compare      two runs, item by item
    steward.gate         whether a candidate may be released
    steward.Pipeline     cleans a data set, stage by stage
    steward.load_test    latency and throughput of a server under load
    steward.plan         the cheapest hardware that meets latency objectives
    steward.series       latency, tokens, money and satisfaction of a deployment over time
    steward.traces       timelines of a deployment's requests
    steward.runs         evaluations, load tests, data pipelines and trainings that were run beside a deployment

Names load when they are first used; importing steward loads nothing and starts nothing. Errors that steward raises
on purpose are `StewardError`; `InputError` means that what was given must change, `Unavailable` that the world failed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steward.api import compare, evaluate, gate, load_test, plan, runs, score, series, traces
    from steward.core.errors import InputError, StewardError, Unavailable
    from steward.data.config import Sink, Source
    from steward.data.pipeline import Pipeline

__version__ = "0.2.0"

__all__ = [
    "InputError",
    "Pipeline",
    "Sink",
    "Source",
    "StewardError",
    "Unavailable",
    "__version__",
    "compare",
    "evaluate",
    "gate",
    "load_test",
    "plan",
    "runs",
    "score",
    "series",
    "traces",
]

_MODULES = {
    **dict.fromkeys(("compare", "evaluate", "gate", "load_test", "plan"), "steward.api"),
    **dict.fromkeys(("runs", "score", "series", "traces"), "steward.api"),
    **dict.fromkeys(("InputError", "StewardError", "Unavailable"), "steward.core.errors"),
    **dict.fromkeys(("Sink", "Source"), "steward.data.config"),
    "Pipeline": "steward.data.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'steward' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
