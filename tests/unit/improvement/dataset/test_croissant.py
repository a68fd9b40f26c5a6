"""Required properties: MLCommons, Croissant Format Specification 1.0, "Dataset-level Information", "FileObject" and
"Field". That mlcroissant 1.1.1 validates the file of a set was seen on 2026-11-29."""

import pytest

from improvement_manifests import make_manifest
from steward.improvement.dataset.croissant import check_croissant, make_croissant


def test_a_set_is_described_with_its_files_and_the_fields_of_slices_in_clear():
    croissant = make_croissant(make_manifest())
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert croissant["@type"] == "sc:Dataset" and croissant["datePublished"] == "2025-11-29"
    assert [file["name"] for file in croissant["distribution"]] == ["train.jsonl", "judge.jsonl.sealed"]
    assert croissant["distribution"][0]["encodingFormat"] == "application/jsonlines"
    assert croissant["distribution"][1]["encodingFormat"] == "application/octet-stream"
    assert [records["name"] for records in croissant["recordSet"]] == ["train"]
    field = croissant["recordSet"][0]["field"][0]
    assert field["source"] == {"fileObject": {"@id": "train.jsonl"}, "extract": {"column": "id"}}


def test_words_of_the_definition_stand_in_it():
    croissant = make_croissant(make_manifest(parameters={"description": "Ours.", "license": "https://x"}))
    assert (croissant["description"], croissant["license"]) == ("Ours.", "https://x")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c.pop("license"), "license is missing"),
        (lambda c: c.update(conformsTo="x"), "conformsTo is 'x'"),
        (lambda c: c["distribution"][0].pop("sha256"), "file train.jsonl: sha256 is missing"),
        (lambda c: c["recordSet"][0]["field"][1].pop("dataType"), "field train/origin: dataType is missing"),
        (lambda c: c["distribution"][0].update({"@id": "y"}), "its source is no file of the set"),
    ],
)
def test_what_the_specification_requires_is_missed(change, problem):
    croissant = make_croissant(make_manifest())
    assert check_croissant(croissant) == []
    change(croissant)
    assert any(problem in one for one in check_croissant(croissant))
