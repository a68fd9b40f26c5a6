"""Opens the detectors of personal data that an operator has written, or runs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from steward.adapters.detectors.function import FunctionDetector
from steward.adapters.detectors.http import HttpDetector
from steward.adapters.detectors.spacy_model import SpacyDetector
from steward.core.extend import Detector
from steward.privacy.custom import NO_DETECTORS, CustomDetector, CustomDetectors
from steward.privacy.entities import KINDS
from steward.settings import load_settings

LABELS: Final = {  # spaCy's labels (OntoNotes and WikiNER) that name a kind of ours; own pipelines may use our names
    **{kind: kind for kind in KINDS},
    "PER": "PERSON",
    "ORG": "ORGANIZATION",
    "DATE": "DATE_TIME",
}


def open_detectors(detectors: Sequence[CustomDetector]) -> CustomDetectors:
    """All of them, ready. :raises InputError: a function's file does not load"""
    if not detectors:
        return NO_DETECTORS
    return CustomDetectors(detectors, {one.name: _open(one) for one in detectors if one.is_external})


def open_detectors_of(config: Path | None) -> CustomDetectors:
    """Those of a steward.yaml; none without a file."""
    return NO_DETECTORS if config is None else open_detectors(list_detectors_of(config))


def list_detectors_of(config: Path) -> list[CustomDetector]:
    """Those of a steward.yaml, not yet opened."""
    return list(load_settings(config).settings.privacy.list_detectors())


def _open(detector: CustomDetector) -> Detector:
    if detector.function:
        return FunctionDetector(detector.function)
    if detector.spacy:
        return SpacyDetector(detector.spacy, LABELS)
    return HttpDetector(detector.url, detector.language, detector.budget_ms / 1e3)
