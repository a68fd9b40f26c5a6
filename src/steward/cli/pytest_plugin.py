"""A plugin of pytest: files `test_*.eval.yaml` are evaluations, one test for each metric with a least or most value.

    suite: suite.yaml        # or a built-in suite
    model: support           # as `steward eval run --model`
    url: http://127.0.0.1:8080/v1
    key: env:STEWARD_KEY
    limit: 50
    least: {exact_match: 0.8, token_f1: 0.9}
    most: {ter: 30}          # where lower is better

A test fails where the metric's value is below its least or above its most one, and says the interval; items that
failed, and a metric without a value, make it an error. The model is asked once for all tests of a file, and not at all
where a metric is none of the suite's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from steward.core.errors import InputError, StewardError, UnknownName

if TYPE_CHECKING:
    from steward.evaluation.run import RunResults


class EvalTestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file `test_*.eval.yaml`."""

    suite: str
    model: str
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    url: str | None = None
    key: str | None = None
    limit: int | None = None
    concurrency: int = 16


class OutOfBounds(Exception):
    """A metric's value is too low, or too high."""


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if file_path.name.startswith("test_") and file_path.name.endswith((".eval.yaml", ".eval.yml")):
        return EvalCollector.from_parent(parent, path=file_path)
    return None


class EvalCollector(pytest.File):
    """Reads the file, and runs its suite when the first of its tests does."""

    _results: RunResults | None = None

    def collect(self) -> Iterator[pytest.Item]:
        from steward.configuration.yaml_lines import read_struct

        self.asked = asked = read_struct(self.path, EvalTestFile, such_as="least")
        if not (asked.least or asked.most):
            raise InputError(f"{self.path}: no metric is tested; give one a bound: least: {{exact_match: 0.8}}")
        self._check_metrics()
        for metric, least in asked.least.items():
            yield EvalMetric.from_parent(self, name=metric, bound=least)
        for metric, most in asked.most.items():
            yield EvalMetric.from_parent(self, name=metric, bound=most, is_most=True)

    def _check_metrics(self) -> None:
        """:raises UnknownName: a metric that the suite does not have :raises InputError: the suite is wrong"""
        from steward.evaluation.suite import load_suite
        from steward.workflows.evaluate.suites import find_suite

        names = [metric.name for metric in load_suite(find_suite(self._find_suite()), 1).spec.metric_specs()]
        for metric in (*self.asked.least, *self.asked.most):
            if metric not in names:
                raise UnknownName(f"metric (in {self.path.name})", metric, names)

    def _find_suite(self) -> Path | str:
        beside = self.path.parent / self.asked.suite
        return beside if beside.is_file() else self.asked.suite

    def evaluate(self) -> RunResults:
        """:raises StewardError: the suite, the model or the server is not as expected"""
        import steward

        if self._results is None:
            asked = self.asked
            with tempfile.TemporaryDirectory() as out:
                self._results = steward.evaluate(
                    self._find_suite(), f"{out}/run", model=asked.model, url=asked.url, key=asked.key,
                    limit=asked.limit, concurrency=asked.concurrency,
                )  # fmt: skip
        return self._results

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, StewardError) else super().repr_failure(excinfo)


class EvalMetric(pytest.Item):
    """One metric against its least or most value."""

    def __init__(self, *, bound: float, is_most: bool = False, **parts: Any) -> None:
        super().__init__(**parts)
        self._bound, self._is_most = bound, is_most

    def runtest(self) -> None:
        assert isinstance(self.parent, EvalCollector)
        results = self.parent.evaluate()
        score = next(score for score in results.scores if score.metric == self.name)
        if results.errored:
            raise RuntimeError(f"{len(results.errored)} of {results.items} items failed, first {results.errored[0]}")
        if score.value is None:
            raise RuntimeError(f"{self.name} has no value: no item could be scored")
        if score.value > self._bound if self._is_most else score.value < self._bound:
            side = "most" if self._is_most else "least"
            interval = "" if score.low is None else f", 95 % interval {score.low:.4f} to {score.high:.4f}"
            raise OutOfBounds(
                f"{self.name} {score.value:.4f}, expected {self._bound:g} at {side}{interval}; {score.n} items"
            )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, StewardError | RuntimeError | OutOfBounds):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.path.name}: {self.name}"
