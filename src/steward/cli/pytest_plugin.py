"""A plugin of pytest: files `test_*.eval.yaml` are evaluations, one test for each metric with a least value.

    suite: suite.yaml        # or a built-in suite
    model: support           # as `steward eval run --model`
    url: http://127.0.0.1:8080/v1
    key: env:STEWARD_KEY
    limit: 50
    least: {exact_match: 0.8, token_f1: 0.9}

A test fails where the metric's value is below its least one, and says the interval; items that failed, and a metric
without a value, make it an error. The model is asked once for all tests of a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from steward.core.errors import StewardError

if TYPE_CHECKING:
    from steward.evaluation.run import RunResults


class EvalTestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file `test_*.eval.yaml`."""

    suite: str
    model: str
    least: dict[str, float]
    url: str | None = None
    key: str | None = None
    limit: int | None = None
    concurrency: int = 16


class BelowLeast(Exception):
    """A metric's value is too low."""


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if file_path.name.startswith("test_") and file_path.name.endswith((".eval.yaml", ".eval.yml")):
        return EvalCollector.from_parent(parent, path=file_path)
    return None


class EvalCollector(pytest.File):
    """Reads the file, and runs its suite when the first of its tests does."""

    _results: RunResults | None = None

    def collect(self) -> Iterator[pytest.Item]:
        from steward.configuration.yaml_lines import read_struct

        self.asked = read_struct(self.path, EvalTestFile, such_as="least")
        for metric, least in self.asked.least.items():
            yield EvalMetric.from_parent(self, name=metric, least=least)

    def evaluate(self) -> RunResults:
        """:raises StewardError: the suite, the model or the server is not as expected"""
        import steward

        if self._results is None:
            asked = self.asked
            beside = self.path.parent / asked.suite
            suite: Path | str = beside if beside.is_file() else asked.suite
            with tempfile.TemporaryDirectory() as out:
                self._results = steward.evaluate(
                    suite, f"{out}/run", model=asked.model, url=asked.url, key=asked.key, limit=asked.limit,
                    concurrency=asked.concurrency,
                )  # fmt: skip
        return self._results


class EvalMetric(pytest.Item):
    """One metric against its least value."""

    def __init__(self, *, least: float, **parts: Any) -> None:
        super().__init__(**parts)
        self._least = least

    def runtest(self) -> None:
        assert isinstance(self.parent, EvalCollector)
        results = self.parent.evaluate()
        score = next((score for score in results.scores if score.metric == self.name), None)
        if score is None:
            metrics = [score.metric for score in results.scores]
            raise pytest.UsageError(f"the suite has no metric {self.name!r}; it has {metrics}")
        if results.errored:
            raise RuntimeError(f"{len(results.errored)} of {results.items} items failed, first {results.errored[0]}")
        if score.value is None:
            raise RuntimeError(f"{self.name} has no value: no item could be scored")
        if score.value < self._least:
            interval = "" if score.low is None else f", 95 % interval {score.low:.4f} to {score.high:.4f}"
            raise BelowLeast(
                f"{self.name} {score.value:.4f}, expected {self._least:g} at least{interval}; {score.n} items"
            )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, StewardError | RuntimeError | BelowLeast):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.path.name}: {self.name}"
