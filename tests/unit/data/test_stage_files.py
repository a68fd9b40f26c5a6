import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data.stage_files import hash_files, list_files, resolve_paths
from steward.data.stages.custom import Custom
from steward.data.stages.toxicity import ToxicityStage
from steward.workflows.curate import run_pipeline

DETECTOR = "import re\ndef find(text): return [(m.start(), m.end()) for m in re.finditer('text', text)]"
CONFIG = "privacy: {detectors: [{name: own, function: 'find.py:find'}]}"


def write_pipeline(folder: Path, stage: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": f"a text {n}"}) + "\n" for n in range(3)))
    pipeline = {"input": {"path": "in.jsonl"}, "stages": [stage], "output": {"path": "out", "format": "jsonl"}}
    (folder / "p.yaml").write_text(json.dumps(pipeline))
    return folder / "p.yaml"


def texts(folder: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (folder / "out/rows/part-00000.jsonl").read_text().splitlines()]


def test_d03_a_changed_function_is_another_run(tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, {"use": "custom", "function": "mine.py:change"})
    (tmp_path / "mine.py").write_text("def change(text): return text.upper()")
    assert run_pipeline(pipeline, workers=1).shards_redone == 2 and texts(tmp_path)[0] == "A TEXT 0"
    assert run_pipeline(pipeline, workers=1).shards_redone == 0
    (tmp_path / "mine.py").write_text("def change(text): return text + '!'")
    with pytest.raises(InputError, match="--overwrite"):
        run_pipeline(pipeline, workers=1)
    run_pipeline(pipeline, workers=1, overwrite=True)
    assert texts(tmp_path)[0] == "a text 0!"


@pytest.mark.parametrize(
    ("stage", "changed", "before", "after"),
    [
        ({"use": "custom", "function": "mine.py:keep", "reads": ["words.txt"]}, "words.txt", "1", "2"),
        ({"use": "custom", "function": "mine.py:keep", "reads": ["lists"]}, "lists/deep/words.txt", "1", "2"),
        ({"use": "pii", "detectors": "steward.yaml"}, "find.py", DETECTOR, DETECTOR.replace("'text'", "'a'")),
        ({"use": "pii", "detectors": "steward.yaml"}, "steward.yaml", CONFIG, CONFIG.replace("own", "other")),
        ({"use": "toxicity", "lexicon": "words.txt"}, "words.txt", "1", "2"),
        ({"use": "blocklist", "words": "words.txt"}, "words.txt", "1", "2"),
        ({"use": "decontaminate", "against": ["sets"]}, "sets/a.jsonl", '{"q": "a b c"}', '{"q": "a b d"}'),
    ],
)
def test_d03_every_file_that_a_stage_depends_on_belongs_to_its_run(
    tmp_path: Path, stage: dict[str, Any], changed: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline = write_pipeline(tmp_path, stage)
    (tmp_path / "mine.py").write_text("def keep(text): return True")
    (tmp_path / "find.py").write_text(DETECTOR)
    (tmp_path / "steward.yaml").write_text(CONFIG)
    (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / changed).write_text(before)
    assert run_pipeline(pipeline, workers=1).shards_redone == 2
    assert run_pipeline(pipeline, workers=1).shards_redone == 0
    (tmp_path / changed).write_text(after)
    with pytest.raises(InputError, match="--overwrite"):
        run_pipeline(pipeline, workers=1)


def test_d03_a_file_that_a_function_reads_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def keep(text): return True")
    pipeline = write_pipeline(tmp_path, {"use": "custom", "function": "mine.py:keep", "reads": ["none.txt"]})
    with pytest.raises(InputError, match=r"no file matches .*none\.txt"):
        run_pipeline(pipeline, workers=1)


def test_the_weights_beside_a_model_belong_to_it(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.onnx.data", "b.onnx.data"):
        (tmp_path / name).write_text(name)
    assert list_files(str(tmp_path / "a.onnx")) == [str(tmp_path / "a.onnx"), str(tmp_path / "a.onnx.data")]


def test_d03_overwrite_runs_again_whatever_is_there(tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, {"use": "normalise"})
    assert [run_pipeline(pipeline, workers=1, overwrite=True).shards_redone for _ in range(2)] == [2, 2]


def test_d03_a_changed_index_is_another_run(tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, {"use": "dedupe.minhash", "index": "index"})
    assert run_pipeline(pipeline, workers=1).shards_redone
    assert run_pipeline(pipeline, workers=1).shards_redone == 0  # the run's own file is no change
    [file] = (tmp_path / "index").glob("*.arrow")
    file.rename(file.with_name("00001-0123456789abcdef.arrow"))
    with pytest.raises(InputError, match="--overwrite"):
        run_pipeline(pipeline, workers=1)


def test_d12_files_of_stages_are_relative_to_the_pipelines_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = write_pipeline(tmp_path / "deep", {"use": "toxicity", "lexicon": "words.txt", "max_per_thousand": 1})
    (tmp_path / "deep/words.txt").write_text("text\n")
    monkeypatch.chdir(tmp_path)
    assert run_pipeline(pipeline, workers=1).dropped == 3


def test_lists_that_come_with_steward_are_names_and_not_files(tmp_path: Path) -> None:
    given = {"lexicon": "toxic", "groups": "mine.txt", "against": ["a.txt", "~/b"]}
    assert resolve_paths(given, ("lexicon", "groups", "against"), tmp_path) == {
        "lexicon": "toxic",
        "groups": f"{tmp_path}/mine.txt",
        "against": [f"{tmp_path}/a.txt", str(Path("~/b").expanduser())],
    }
    assert hash_files(ToxicityStage()) == {}


def test_of_a_function_the_file_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("")
    # XXH3 of nothing, 128 bits: https://github.com/Cyan4973/xxHash, tests/sanity_test_vectors.h
    assert hash_files(Custom(function=f"{tmp_path}/f.py:f")) == {f"{tmp_path}/f.py": "99aa06d3014798d86001c324468d497f"}


@pytest.mark.parametrize(
    "parameters", [{}, {"action": "generalise", "entities": ["EMAIL_ADDRESS", "US_SSN", "IBAN_CODE"]}]
)
def test_another_process_knows_the_finished_run_again(tmp_path: Path, parameters: dict[str, Any]) -> None:
    pipeline = write_pipeline(tmp_path, {"use": "pii", **parameters})
    script = "import sys, pathlib; from steward.workflows.curate import run_pipeline\n"
    script += "if __name__ == '__main__': print(run_pipeline(pathlib.Path(sys.argv[1]), workers=1).shards_redone)"
    printed = [
        subprocess.check_output(
            [sys.executable, "-c", script, str(pipeline)], env=os.environ | {"PYTHONHASHSEED": seed}, text=True
        )
        for seed in ("1", "2")
    ]
    assert printed == ["2\n", "0\n"]
