"""The Python door: `Pipeline([...]).run(source, sink)`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steward.core.errors import InputError
from steward.core.extend import Done, Executor, Task
from steward.data.config import Sink, Source, make_stage
from steward.data.frames import is_frame, save_frame
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
        self,
        source: Any,
        sink: Sink | str | Path,
        *,
        executor: Executor | None = None,
        overwrite: bool = False,
    ) -> Summary:
        """Clean `source` into `sink`. In this process unless an executor is given.

        `source`: a path, a list of paths, a `Source` with its settings, or rows: a pandas or Polars frame, an Arrow
        table, a data set of Hugging Face's `datasets`, or dicts in a list or iterator. `sink`: a folder, or a `Sink`.

        :raises InputError: as `steward data run`
        """
        resolved_sink = sink if isinstance(sink, Sink) else Sink(path=os.fspath(sink))
        if is_frame(source):
            source = save_frame(source, Path(resolved_sink.path))
        if not isinstance(source, Source | str | os.PathLike | list | tuple):
            raise InputError(
                f"a source of type {type(source).__name__}; expected a path, a list of paths, a Source, a frame, "
                "a table, a data set, or dicts"
            )
        resolved_source = source if isinstance(source, Source) else Source(path=source)
        return run(resolved_source, self.stages, resolved_sink, executor or InProcess(), overwrite=overwrite)


class InProcess:
    """The simplest executor."""

    def map(self, function: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        return map(function, tasks)
