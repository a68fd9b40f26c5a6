"""A spaCy pipeline's entities as finds; the pipelines here are blank ones with rules, so that nothing is downloaded."""

from __future__ import annotations

import copy
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from steward.adapters.detectors.spacy_model import SpacyDetector, _load
from steward.core.errors import InputError
from steward.core.extend import DetectedSpan

pytestmark = pytest.mark.skipif(not find_spec("spacy"), reason="the extra `names` is not installed")  # slow to load
LABELS = {"PER": "PERSON", "ORG": "ORGANIZATION"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As somebody's own training leaves one: a folder."""
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("de")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "PER", "pattern": [{"LOWER": "zora"}, {"IS_TITLE": True}]},
            {"label": "ORG", "pattern": "Quill & Söhne"},
            {"label": "MISC", "pattern": "Bonn"},
        ]
    )
    folder = tmp_path_factory.mktemp("model") / "names"
    pipeline.to_disk(folder)
    return str(folder)


def test_entities_are_finds_under_the_names_that_are_told(model: str) -> None:
    text = "😀 Zora Quill von Quill & Söhne in Bonn"
    finds = list(SpacyDetector(model, LABELS).detect(text))
    assert [(text[one.start : one.end], one.entity) for one in finds] == [
        ("Zora Quill", "PERSON"), ("Quill & Söhne", "ORGANIZATION"),
    ]  # fmt: skip
    assert list(SpacyDetector(model, {}).detect(text)) == [] == list(SpacyDetector(model, LABELS).detect(""))


def test_it_works_in_several_threads_and_in_another_process(model: str) -> None:
    detector = copy.deepcopy(SpacyDetector(model, LABELS))  # by what `pickle` would send
    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(lambda number: list(detector.detect(f"{number} Zora Quill")), range(10)))
    assert rows == [[DetectedSpan(2, 12, "PERSON")]] * 10


def test_a_model_that_is_not_there_is_named_with_what_installs_it() -> None:
    with pytest.raises(InputError, match="python -m spacy download en_core_of_nobody"):
        SpacyDetector("en_core_of_nobody", LABELS)


def test_a_model_without_entities_is_refused(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(InputError, match="its parts are none, expected ner or entity_ruler"):
        SpacyDetector(str(tmp_path / "blank"), LABELS)


def test_without_the_extra_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    _load.cache_clear()
    with pytest.raises(InputError, match=r"needs the extra nlp; install it: .*pip install .*nlp"):
        SpacyDetector("any", LABELS)
