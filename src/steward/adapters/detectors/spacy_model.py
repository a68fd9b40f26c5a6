"""A spaCy pipeline in this process (extra `nlp`): its named entities are finds. A model is a package or a folder.

Presidio has no adapter of its own: its analyzer stands on the same spaCy models and on patterns that steward has, and
its REST server is read by `http.py`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from steward.core.errors import InputError
from steward.core.extend import DetectedSpan
from steward.core.extras import install_command, name_python


class SpacyDetector:
    """`labels`: what a pipeline's label is called here; a find with any other label is none.

    :raises InputError: spaCy or the model is not installed, or the model finds no entities
    """

    def __init__(self, model: str, labels: Mapping[str, str]) -> None:
        self._model, self._labels = model, dict(labels)
        self._lock = threading.Lock()  # spaCy does not say that a pipeline may run in two threads at once
        _load(model)

    def detect(self, text: str) -> Iterator[DetectedSpan]:
        """:raises ValueError: the text is longer than the pipeline reads"""
        with self._lock:
            found = [(one.start_char, one.end_char, one.label_) for one in _load(self._model)(text).ents]
        for start, end, label in found:
            if label in self._labels:
                yield DetectedSpan(start, end, self._labels[label])

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process loads the model once for itself."""
        return SpacyDetector, (self._model, self._labels)


@functools.cache
def _load(model: str) -> Any:
    """:raises InputError: as `SpacyDetector`"""
    try:
        import spacy
    except ImportError as error:
        raise InputError(
            f"privacy.detectors: spacy {model!r} needs the extra nlp; install it: {install_command('nlp')}"
        ) from error
    try:
        pipeline = spacy.load(model)
    except (OSError, ValueError) as error:
        raise InputError(
            f"privacy.detectors: no spaCy model {model!r} here; expected an installed package or a folder. Install it: "
            f"{name_python()} -m spacy download {model}"
        ) from error
    if not {"ner", "entity_ruler", "span_ruler"} & set(pipeline.pipe_names):
        raise InputError(
            f"privacy.detectors: the spaCy model {model!r} finds no entities; its parts are "
            f"{', '.join(pipeline.pipe_names) or 'none'}, expected ner or entity_ruler"
        )
    return pipeline
