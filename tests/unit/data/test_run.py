import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import data_stages
from conftest import until
from steward.adapters.executors.local import LocalExecutor
from steward.core.errors import Contradiction, InputError
from steward.data.config import Sink, Source
from steward.data.explain import explain_row
from steward.data.pipeline import Pipeline
from steward.data.run import describe_setting
from steward.data.stages.split import Split
from steward.data.summary import Summary

STAGES = (data_stages.Short(), data_stages.Same(), data_stages.Shout(), data_stages.Same())


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """900 rows in two files: 90 too short, then half of the others twice."""
    for name in ("a", "b"):
        rows = [{"text": f"a longer text {n}" if n % 10 else "short", "source": name} for n in range(450)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def clean(corpus: Path, out: str, workers: int = 1, stages: Any = STAGES, **options: Any) -> Summary:
    source = Source(path=str(corpus / "*.jsonl"), shard_mb=0.005, **options)
    with LocalExecutor(workers) as executor:
        return Pipeline(stages).run(source, Sink(path=str(corpus / out)), executor=executor)


def table(corpus: Path, out: str) -> list[dict[str, Any]]:
    return [row for part in sorted((corpus / out / "rows").glob("part-*")) for row in pq.read_table(part).to_pylist()]


def test_every_row_is_accounted_for(corpus: Path) -> None:
    found = clean(corpus, "out")
    assert (found.rows_in, found.dropped, found.merged, found.rows_out) == (900, 90, 405, 405)
    assert [count.name for count in found.stages] == ["read", "t.short", "t.same", "t.shout", "t.same#2"]
    rows = table(corpus, "out")
    assert len(rows) == 405 and list(rows[0]) == ["id", "text", "source"] and rows[0]["text"] == "A LONGER TEXT 1"
    ledger = pq.read_table(corpus / "out/ledger/entries.parquet").to_pylist()
    assert Counter(row["action"] for row in ledger) == {"drop": 90, "merge": 405, "change": 405}
    gone = {row["id"] for row in ledger if row["action"] in ("drop", "merge")}
    assert len(gone) == 495 and not gone & {row["id"] for row in rows}


def test_a_part_of_a_split_that_got_no_row_is_warned_of_and_the_others_are_counted(corpus: Path) -> None:
    parts = {"train": 0.5, "test": 0.5, "rare": 1e-9, "unused": 0.0}
    split = Split(parts={**parts, "train": 0.5 - 1e-9}, by="text")
    found = clean(corpus, "out", stages=(split,))
    (warning,) = found.warnings
    assert warning == (
        "stage 'split': the part 'rare' of share 1e-09 got none of 900 rows; each row is drawn by itself, so give it a "
        "larger share, or more values of 'text'"
    )
    assert found.stages[-1].rules == Counter(f"part {row['split']}" for row in table(corpus, "out"))


def test_a_stage_that_loses_a_row_without_saying_so_is_caught(corpus: Path) -> None:
    with pytest.raises(Contradiction, match=r"'t\.short' does not balance: .* every row that goes"):
        clean(corpus, "out", stages=[data_stages.Short(mute=True)])
    assert not (corpus / "out/summary.json").exists()


def test_ids_that_the_input_brings_must_differ(corpus: Path) -> None:
    rows = [{"id": n % 3, "text": f"text {n}"} for n in range(4)]
    (corpus / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (corpus / "b.jsonl").unlink()
    with pytest.raises(InputError, match=r"a\.jsonl:4: field 'id': the same as a\.jsonl:1 \(1 such rows\)"):
        clean(corpus, "out", stages=[])
    found = clean(corpus, "skipped", stages=[], on_error="skip")
    assert (found.rows_in, found.failed, found.rows_out) == (4, 1, 3)
    assert explain_row(corpus / "skipped", "a.jsonl:4")[0]["rule"] == "duplicate_id"


@pytest.mark.parametrize("compressed_bytes", [0, 1 << 30])
def test_shards_whose_ids_repeat_and_shards_whose_do_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed_bytes: int
) -> None:
    """The first file's rows are not written again after the check of ids, the second's are; either way compressed."""
    monkeypatch.setattr("steward.data.run._COMPRESSED_BYTES", compressed_bytes)
    texts = [f"a longer text {n}" for n in range(6)]
    ids = ["a", "b", "c", "d", "b", "e"]
    rows = [json.dumps({"id": name, "text": text}) + "\n" for name, text in zip(ids, texts, strict=True)]
    (tmp_path / "a.jsonl").write_text("".join(rows[:3]))
    (tmp_path / "b.jsonl").write_text("".join(rows[3:]))
    found = clean(tmp_path, "out", stages=(data_stages.Same(),), on_error="skip")
    assert (found.rows_in, found.failed, found.merged, found.rows_out) == (6, 1, 0, 5)
    assert [row["id"] for row in table(tmp_path, "out")] == ["a", "b", "c", "d", "e"]


def test_bad_rows_are_counted_when_the_policy_says_so(corpus: Path) -> None:
    with (corpus / "b.jsonl").open("a") as file:
        file.write('{"text": 5}\n\nnonsense\n')
    with pytest.raises(InputError, match=r"b\.jsonl:451: field 'text': a number; expected a text"):
        clean(corpus, "out")
    found = clean(corpus, "skipped", on_error="skip")
    assert (found.rows_in, found.failed, found.blank_lines, found.rows_out) == (902, 2, 1, 405)


def test_chats_come_out_as_they_came_in(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "args": {"a": [1]}}]}
    rows = [
        {"id": "x", "messages": [{"role": "user", "content": "hi"}, call], "meta": {"deep": [1, 2]}, "n": 1},
        {"id": "y", "messages": [{"role": "user", "content": "ho"}], "meta": None, "n": None},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Pipeline([]).run(str(tmp_path / "in.jsonl"), Sink(path=str(tmp_path / "out"), format="jsonl"))
    [part] = (tmp_path / "out/rows").glob("part-*.jsonl")
    assert [json.loads(line) for line in part.read_text().splitlines()] == rows
    again = Pipeline([]).run(str(part), str(tmp_path / "again"))  # parquet, and that once more
    third = Pipeline([]).run(str(tmp_path / "again"), str(tmp_path / "third"))
    assert again.rows_out == third.rows_out == 2


def test_a_stage_without_its_detector_refuses_to_start(corpus: Path) -> None:
    with pytest.raises(InputError, match=r"t\.finder' has no detector"):
        clean(corpus, "out", stages=[data_stages.Finder()])
    assert not (corpus / "out").exists()


def test_a_folder_of_another_run_is_left_alone(corpus: Path) -> None:
    clean(corpus, "out")
    assert clean(corpus, "out").shards_redone == 0
    with pytest.raises(InputError, match="other settings or other inputs"):
        clean(corpus, "out", stages=[data_stages.Short(least=11)])
    with (corpus / "a.jsonl").open("a") as file:
        file.write('{"text": "one more row"}\n')
    with pytest.raises(InputError, match="--overwrite"):
        clean(corpus, "out")


class Plain:
    def __init__(self) -> None:
        self.least = 3


@dataclass(frozen=True)
class Described:
    ends: object


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, "0.5"),
        ("a", "'a'"),
        (None, "None"),
        (len, "len"),
        (partial(max, 1, key=len, default=2), "max(1, default=2, key=len)"),
        (frozenset(("US_SSN", "EMAIL", "IBAN")), "{'EMAIL', 'IBAN', 'US_SSN'}"),
        ((len, {"b", "a"}), "[len, {'a', 'b'}]"),
        ({"by": len}, "{'by': len}"),
        (data_stages.Finder(detector=partial(len)), "Finder({'detector': len()})"),
        (Plain(), "Plain({'least': 3})"),
        (Described(partial(len)), "Described({'ends': len()})"),
    ],
)
def test_settings_read_the_same_in_every_process(value: object, expected: str) -> None:
    assert describe_setting(value) == expected


SCRIPT = """
import sys
sys.path[:0] = {path!r}
import data_stages
from test_run import clean
from pathlib import Path
if __name__ == "__main__":
    stages = (data_stages.Short(), data_stages.Same(), data_stages.Shout(pause_s=0.2), data_stages.Same())
    clean(Path({corpus!r}), "out", 2, stages)
"""


@pytest.mark.parametrize("phase", [1, 2])
def test_after_kill_9_it_goes_on_and_redoes_no_finished_shard(corpus: Path, phase: int) -> None:
    script = corpus / "go.py"
    script.write_text(
        SCRIPT.format(
            path=[str(Path(data_stages.__file__).parent), str(Path(__file__).parent)], corpus=str(corpus), out="out"
        )
    )
    killed = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    done = corpus / "out/.run" / f"done-{phase}"
    until(lambda: len(list(done.glob("*.json"))) >= 2, 120)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = len(list((corpus / "out/.run").glob("done-*/*.json")))
    assert not (corpus / "out/summary.json").exists()
    stages = (data_stages.Short(), data_stages.Same(), data_stages.Shout(pause_s=0.2), data_stages.Same())
    resumed = clean(corpus, "out", 2, stages)
    assert resumed.digest == clean(corpus, "whole", 1).digest
    shards, phases = 8, 4
    assert 0 < resumed.shards_redone <= shards * phases - before


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_beside_a_text_a_column_of_messages_passes_through(tmp_path: Path, format_: Any) -> None:
    rows = [
        {"text": "a longer text", "messages": [{"role": "robot", "content": "kept as it is"}], "prompt": "so is this"}
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]) + "\n")
    source = Source(path=str(tmp_path / "a.jsonl"), text="text")
    Pipeline([data_stages.Shout()]).run(source, Sink(path=str(tmp_path / "out"), format=format_))
    again = Source(path=str(tmp_path / f"out/rows/*.{format_}"), text="text")
    Pipeline([]).run(again, Sink(path=str(tmp_path / "again"), format="jsonl"))
    row = json.loads((tmp_path / "again/rows/part-00000.jsonl").read_text())
    messages = row["messages"] if format_ == "jsonl" else json.loads(row["messages"])
    assert (row["text"], messages, row["prompt"]) == ("A LONGER TEXT", rows[0]["messages"], "so is this")


def test_two_stages_of_one_name_are_told_apart_in_the_ledger(tmp_path: Path) -> None:
    texts = ["short", "a longer text", "a text that is longer still"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    stages = (data_stages.Short(), data_stages.Short(least=20))
    found = Pipeline(stages).run(str(tmp_path / "a.jsonl"), str(tmp_path / "out"))
    assert [(count.name, count.dropped) for count in found.stages[1:]] == [("t.short", 1), ("t.short#2", 1)]
    [second] = explain_row(tmp_path / "out", "a.jsonl:2")
    assert (second["stage"], second["threshold"]) == ("t.short#2", 20)


@pytest.mark.parametrize("column", ["language", "toxicity", "mentions"])
def test_d08_a_column_that_a_stage_adds_is_not_overwritten(tmp_path: Path, column: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a text", column: "mine"}) + "\n")
    stages: list[Any] = [{"use": "language"}, {"use": "toxicity"}]
    with pytest.raises(
        InputError, match=rf"adds the column '{column}'.*input\.rename: \{{{column}: {column}_before\}}"
    ):
        Pipeline(stages).run(str(tmp_path / "a.jsonl"), str(tmp_path / "out"))
    source = Source(path=str(tmp_path / "a.jsonl"), rename={column: f"{column}_before"})
    Pipeline(stages).run(source, str(tmp_path / "out"))
    [row] = pq.read_table(tmp_path / "out/rows/part-00000.parquet").to_pylist()
    assert row[f"{column}_before"] == "mine" and row[column] != "mine"


def test_d09_a_stage_that_fails_everything_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (tmp_path / "f.py").write_text("def f(text): raise ValueError")
    pipeline = {"input": {"path": "a.jsonl"}, "stages": [{"use": "custom", "function": "f.py:f"}]}
    (tmp_path / "p.yaml").write_text(json.dumps({**pipeline, "output": {"path": "out"}}))
    command = [sys.executable, "-m", "steward", "data", "run", str(tmp_path / "p.yaml"), "--workers", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "error: stage 'custom' removed all of its 2 rows (2 fail f); check its settings" in ended.stderr


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"lable": "kind"}, r"unknown column \(input\.rename\) 'lable'; did you mean 'label'"),
        ({"label": "text"}, "two columns of the name 'text'; expected another name"),
    ],
)
def test_d09_columns_to_rename_must_be_there_and_become_new_names(
    tmp_path: Path, rename: dict[str, str], message: str
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "b"}\n')
    with pytest.raises(InputError, match=message):
        Pipeline([]).run(Source(path=str(tmp_path / "a.jsonl"), rename=rename), str(tmp_path / "out"))


def test_d07_another_delimiter_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text;label\na;b\n")
    with pytest.raises(InputError, match=r"set input\.delimiter to ';'"):
        Pipeline([]).run(str(tmp_path / "a.csv"), str(tmp_path / "out"))


def test_the_output_says_which_files_it_has(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    out = tmp_path / "out"
    summary = Pipeline([]).run(tmp_path / "in.jsonl", Sink(path=out, part_mb=1e-6))
    manifest = json.loads((out / "manifest.json").read_text())
    names = ["rows/part-00000-000.parquet", "rows/part-00000-001.parquet"]
    assert [(item["path"], item["rows"]) for item in manifest["files"]] == [(name, 1) for name in names]
    assert [item["bytes"] for item in manifest["files"]] == [(out / name).stat().st_size for name in names]
    assert (manifest["rows"], manifest["digest"]) == (2, summary.digest)
    assert (out / "rows/_SUCCESS").read_bytes() == b""
    Pipeline([]).run(tmp_path / "in.jsonl", out, overwrite=True)
    assert sorted(path.name for path in (out / "rows").iterdir()) == ["_SUCCESS", "part-00000.parquet"]


def test_paths_may_be_pathlibs_and_lists(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"text": "{name}"}}\n')
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert Pipeline([]).run(files, tmp_path / "out").rows_in == 2
    assert Pipeline([]).run(tuple(files), tmp_path / "out2").rows_in == 2
