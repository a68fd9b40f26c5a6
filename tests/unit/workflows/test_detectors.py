"""An operator's detectors, opened as the configuration names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.privacy.custom import NO_DETECTORS, CustomDetector
from steward.workflows.detectors import open_detectors, open_detectors_of


def write_function(folder: Path) -> str:
    file = folder / "own.py"
    file.write_text("def find(text):\n    return [(0, 3)] if text.startswith('Bob') else []\n")
    return f"{file}:find"


def test_functions_and_words_stand_beside_each_other(tmp_path: Path) -> None:
    detectors = open_detectors(
        [CustomDetector(name="own", function=write_function(tmp_path)), CustomDetector(name="list", words=("Falcon",))]
    )
    assert [find[-1] for find in detectors.find("Bob of Falcon")] == ["own", "list"]
    assert open_detectors([]) is NO_DETECTORS


def test_a_service_is_opened_without_being_asked() -> None:
    assert open_detectors([CustomDetector(name="s", url="http://127.0.0.1:1/find")]).waits


def test_a_model_of_spacy_finds_people_under_its_own_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns(
        [
            {"label": label, "pattern": text}
            for label, text in (("PER", "zora"), ("MONEY", "5 EUR"), ("IBAN_CODE", "X1"))
        ]
    )
    pipeline.to_disk(tmp_path / "names")
    detectors = open_detectors([CustomDetector(name="names", spacy=str(tmp_path / "names"), score=0.8)])
    assert detectors.waits and list(detectors.find("zora owes 5 EUR to X1")) == [
        (0, 4, "PERSON", 0.8, "names"), (19, 21, "IBAN_CODE", 0.8, "names"),
    ]  # fmt: skip


def test_a_function_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        open_detectors([CustomDetector(name="own", function=f"{tmp_path}/none.py:find")])


def test_the_detectors_of_a_file(tmp_path: Path) -> None:
    config = tmp_path / "steward.yaml"
    config.write_text(f"privacy: {{detectors: [{{name: own, function: '{write_function(tmp_path)}'}}]}}\n")
    assert [find[-1] for find in open_detectors_of(config).find("Bob")] == ["own"]
    assert open_detectors_of(None) is NO_DETECTORS


def test_a_service_is_waited_for_as_long_as_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        "steward.workflows.detectors.HttpDetector", lambda url, language, timeout_s: waits.append(timeout_s)
    )
    open_detectors([CustomDetector(name="s", url="http://127.0.0.1:1/find", budget_ms=250)])
    assert waits == [0.25]
