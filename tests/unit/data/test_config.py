from pathlib import Path
from typing import Any

import pytest

import data_stages
from ranges import read_limits
from steward.core.errors import InputError
from steward.data.config import Sink, Source, load_pipeline, make_stage, stage_name
from steward.data.stages.augment import Augment
from steward.data.stages.blocklist import Blocklist
from steward.data.stages.classifier import ClassifierStage
from steward.data.stages.decontaminate import Decontaminate
from steward.data.stages.dedupe_minhash import DedupeMinhash
from steward.data.stages.dedupe_parts import DedupeParts
from steward.data.stages.dedupe_semantic import DedupeSemantic
from steward.data.stages.dedupe_substring import DedupeSubstring
from steward.data.stages.language import Language
from steward.data.stages.outliers import Outliers
from steward.data.stages.pack import Pack
from steward.data.stages.sample import Mix, Sample
from steward.data.stages.secrets import Secrets
from steward.data.stages.sources import Sources
from steward.data.stages.toxicity import ToxicityStage

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


# The tables of docs/reference/data-stages.md, data-dedupe.md and data-shaping.md.
@pytest.mark.parametrize(
    ("section", "limits"),
    [
        (Source, {"delimiter": "1 <= n <= 1", "shard_mb": "16.0: 0 < x", "max_line_mb": "32.0: 0 < x"}),
        (Sink, {"part_mb": "0 < x"}),
        (Augment, {"rate": "0.1: 0 <= x <= 1", "seed": "0:", "generation": "1: 1 <= x <= 4"}),
        (Blocklist, {"min_url_words": "1: 1 <= x", "max_words": "0: 0 <= x"}),
        (ClassifierStage, {"min_score": "0.5: 0 <= x <= 1"}),
        (Decontaminate, {"ngram": "13: 2 <= x <= 64", "shortest": "8: 1 <= x"}),
        (
            DedupeMinhash,
            {
                "ngram": "5: 1 <= x <= 256",
                "bands": "14: 1 <= x <= 256",
                "rows": "8: 1 <= x <= 256",
                "verify": "0.8: 0 < x <= 1",
                "recall": "0 < x < 1",
            },
        ),
        (DedupeParts, {"min_characters": "40: 1 <= x"}),
        (DedupeSemantic, {"similarity": "0.95: 0 < x <= 1"}),
        (DedupeSubstring, {"min_bytes": "200: 16 <= x <= 1048576", "max_mb": "0 < x"}),
        (Language, {"confidence": "0.8: 0 <= x <= 1", "min_letters": "15: 0 <= x"}),
        (Outliers, {"z": "6.0: 0 < x", "least": "30: 3 <= x"}),
        (Pack, {"length": "1 <= x", "extra": "0: 0 <= x"}),
        (Sample, {"rows": "1 <= x", "share": "0 < x <= 1", "budget": "1 <= x", "seed": "0:"}),
        (Mix, {"rows": "1 <= x", "seed": "0:"}),
        (Secrets, {"entropy": "4.3: 0 <= x"}),
        (Sources, {"min_reputation": "0.5:"}),
        (ToxicityStage, {"max_per_thousand": "10.0: 0 <= x"}),
    ],
)
def test_defaults_and_ranges_are_those_of_the_reference(section: Any, limits: dict[str, str]) -> None:
    assert read_limits(section) == limits
