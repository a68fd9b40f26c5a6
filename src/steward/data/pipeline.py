"""The Python door: `Pipeline([...]).run(source, sink)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from steward.core.extend import Done, Executor, Task
from steward.data.config import Sink, Source, make_stage
from steward.data.run import run
from steward.data.summary import Summary


class Pipeline:
    """Stages in order: objects, or mappings as in pipeline.yaml.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "in.jsonl").write_text('{"text": "Hello."}\\n{"text": "Hello."}\\n')
    >>> summary = Pipeline([{"use": "dedupe.exact"}]).run(str(folder / "in.jsonl"), str(folder / "out"))
    >>> summary.rows_in, summary.rows_out
    (2, 1)
    """

    def __init__(self, stages: Sequence[Any]) -> None:
        self.stages = tuple(make_stage(stage) if isinstance(stage, Mapping) else stage for stage in stages)

    def run(
        self, source: Source | str, sink: Sink | str, *, executor: Executor | None = None, overwrite: bool = False
    ) -> Summary:
        """Clean `source` into `sink` (paths, or with their settings). In this process unless an executor is given.

        :raises InputError: as `steward data run`
        """
        resolved_source = Source(path=source) if isinstance(source, str) else source
        resolved_sink = Sink(path=sink) if isinstance(sink, str) else sink
        return run(resolved_source, self.stages, resolved_sink, executor or InProcess(), overwrite=overwrite)


class InProcess:
    """The simplest executor."""

    def map(self, function: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        return map(function, tasks)
