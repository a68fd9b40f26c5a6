"""What stages are given: privacy's detector, a counter of tokens, an extractor of pages, a cutter of words, a model.

Detectors belong to privacy, models and libraries to adapters, stages to data; here they meet.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from steward.adapters.segmenters import LibrarySegmenter
from steward.adapters.text_models import make_text_model
from steward.adapters.token_counters import make_token_counter
from steward.core.errors import InputError
from steward.core.extend import PageExtractor
from steward.core.extras import install_command
from steward.data.stages.classifier import ClassifierStage
from steward.data.stages.pii import Pii
from steward.data.stages.quality import Quality
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.entities import PROFILES, find_entity, label_entity
from steward.privacy.policy import change_value
from steward.privacy.scan import choose_entities, scan_text
from steward.workflows.detectors import list_detectors_of, open_detectors


def find_personal_data(
    text: str, entities: frozenset[str] | None = None, custom: CustomDetectors = NO_DETECTORS
) -> list[tuple[int, int, str]]:
    """Privacy's detector in the shape that stages take: start, end, kind. Without `entities`, those of `default`.
    `custom`: an operator's detectors, beside those that steward has.

    >>> find_personal_data("ask bob@example.com")
    [(4, 19, 'email')]
    """
    findings = scan_text(text, PROFILES["default"] if entities is None else entities, custom=custom)
    return [(one.start, one.end, label_entity(one.entity)) for one in findings]


def fill_stage(stage: Any) -> Any:
    """The stage, with privacy's detector or a counter of tokens where it has a place for one and none in it."""
    if getattr(stage, "extractor", stage) is None:
        return msgspec.structs.replace(stage, extractor=_make_extractor())
    if getattr(stage, "counter", stage) is None:
        return msgspec.structs.replace(stage, counter=make_token_counter(stage.tokenizer))
    if isinstance(stage, ClassifierStage) and not stage.is_own and stage.scorer is None:
        model = make_text_model(stage.file, str(stage.label), stage.tokenizer)  # without a label it is no stage
        return msgspec.structs.replace(stage, scorer=model)
    if isinstance(stage, Quality) and stage.needs_words and stage.segmenter is None:
        return msgspec.structs.replace(stage, segmenter=LibrarySegmenter())
    if isinstance(stage, Pii) and stage.detector is None:
        return _add_privacy(stage)
    return stage


def _add_privacy(stage: Pii) -> Pii:
    """:raises UnknownName: no such profile or entity"""
    detectors = list_detectors_of(Path(stage.detectors)) if stage.detectors else []
    custom = open_detectors(detectors)
    detect = partial(find_personal_data, entities=choose_entities(stage.profile, stage.entities), custom=custom)
    change = None if stage.action == "label" else partial(_change, stage.action)
    files = tuple(one.function for one in detectors if one.function)
    return msgspec.structs.replace(stage, detector=detect, change=change, detector_files=files)


def _change(action: Literal["mask", "redact", "generalise"], kind: str, value: str) -> str:
    changed = change_value(action, find_entity(kind), value, b"", time.gmtime().tm_year)
    return value if changed is None else changed


def _make_extractor() -> PageExtractor:
    try:
        from steward.adapters.page_extractor import TrafilaturaExtractor
    except ImportError as error:
        raise InputError(f"stage 'extract' needs trafilatura ({error}); {install_command('web')}") from error
    return TrafilaturaExtractor()
