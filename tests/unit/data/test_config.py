from pathlib import Path

import pytest

import data_stages
from steward.core.errors import InputError
from steward.data.config import load_pipeline, make_stage, stage_name

GOOD = "input: {path: in.jsonl}\nstages:\n  - {use: t.short, least: 5}\noutput: {path: out}\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "pipeline.yaml"
    file.write_text(text)
    return file


def test_paths_stand_beside_the_file_and_stages_are_made(tmp_path: Path) -> None:
    loaded = load_pipeline(written(tmp_path, GOOD))
    assert loaded.source.path == [str(tmp_path / "in.jsonl")] and loaded.sink.path == str(tmp_path / "out")
    assert loaded.stages == (data_stages.Short(least=5),) and stage_name(loaded.stages[0]) == "t.short"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("input:", "inputs:"), "pipeline.yaml:1: inputs: unknown key; did you mean 'input'?"),
        (("path: in", "paht: in"), "pipeline.yaml:1: input.paht: unknown key; did you mean 'path'?"),
        (("t.short", "t.shortt"), "pipeline.yaml:3: unknown stage 't.shortt'; did you mean 't.short'?"),
        (("least", "leest"), "pipeline.yaml:3: unknown parameter (of stage 't.short') 'leest'; did you mean 'least'?"),
        (("least: 5", "least: few"), "pipeline.yaml:3: stage 't.short': least: expected a whole number, not text"),
        (("use: ", "name: "), "pipeline.yaml:3: a stage needs a name"),
        (("{path: out}", "{path: out, format: xml}"), "pipeline.yaml:4: output.format: "),
        (("{path: in.jsonl}", "[a]"), "pipeline.yaml:1: input: expected a section"),
        (("{path: out}", "{path: out"), "not valid YAML"),
        (("output", "input"), "pipeline.yaml:4: 'input' is written twice"),
    ],
)
def test_errors_say_file_line_and_the_nearest_name(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    with pytest.raises(InputError) as error:
        load_pipeline(written(tmp_path, GOOD.replace(*change, 1)))
    assert expected in str(error.value)


def test_a_file_cannot_give_a_detector() -> None:
    with pytest.raises(InputError, match="unknown parameter"):
        make_stage({"use": "t.finder", "detector": "os.system"})


def test_every_parameter_of_the_table_is_reachable_through_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[steward.stages]\nother.short = data_stages:Short\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert make_stage({"use": "other.short", "least": 3}) == data_stages.Short(least=3)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"preset": "gopher"}, "preset: unknown value 'gopher'; did you mean 'gopher@paper'? Known: c4@datatrove, "),
        ({"preset": 3}, "preset: expected text or a list, not a whole number"),
        ({}, "the key 'preset' is missing; add it here"),
    ],
)
def test_k10_a_wrong_parameter_is_said_in_words(parameters: dict[str, object], says: str) -> None:
    with pytest.raises(InputError) as caught:
        make_stage({"use": "quality", **parameters}, "pipeline.yaml:3")
    assert str(caught.value).startswith(f"pipeline.yaml:3: stage 'quality': {says}")
