"""`steward data` as users type it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import data_stages
from conftest import inside, run

PIPELINE = """\
input: {path: '*.jsonl', on_error: skip}
stages:
  - {use: t.short, least: 10}
  - {use: t.same}
output: {path: out}
"""
TABLE = "[steward.stages]\nt.short = data_stages:Short\nt.same = data_stages:Same\n"
CONTRACT = "schema: {text: string}\nrows: {min: 2}\nmax_rates: {duplicates: 0}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A messy file, its pipeline, and a package whose stages come through their entry points."""
    rows = ['{"text": "a longer text"}', '{"text": "short"}', "nonsense"]
    rows += ['{"text": "a longer text"}', '{"text": "another text"}']
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    info = tmp_path / "plug" / "other-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(TABLE)
    return tmp_path


def steward(place: Path, *arguments: str) -> Any:
    path = f"{place / 'plug'}:{Path(data_stages.__file__).parent}:{os.environ.get('PYTHONPATH', '')}"
    return run("data", *arguments, cwd=place, PYTHONPATH=path)


def test_run_explain_report_check_profile(place: Path) -> None:
    ran = steward(place, "run", "pipeline.yaml", "--workers", "2")
    assert ran.returncode == 0, ran.stderr
    assert "5 rows in + 0 added = 2 out + 1 dropped + 1 merged + 1 failed" in ran.stdout
    explained = steward(place, "explain", "out", "in.jsonl:4", "--json")
    assert json.loads(explained.stdout)[0]["duplicate_of"] == "in.jsonl:1"
    assert steward(place, "explain", "out", "in.jsonl:5").returncode == 1
    page = json.loads(steward(place, "report", "out", "--json").stdout)
    assert page["bytes"] == (place / page["report"]).stat().st_size < 500_000
    assert steward(place, "check", "contract.yaml", "out/rows/*.parquet").returncode == 0
    broken = steward(place, "check", "contract.yaml", "in.jsonl")
    assert broken.returncode == 1 and "in.jsonl:4" in broken.stdout and "in.jsonl:3" in broken.stdout
    assert json.loads(steward(place, "profile", "in.jsonl", "--json").stdout)["exact_duplicates"] == 1


def test_what_is_wrong_exits_2_with_the_place(place: Path) -> None:
    (place / "pipeline.yaml").write_text(PIPELINE.replace("t.short", "t.shirt"))
    unknown = steward(place, "run", "pipeline.yaml")
    assert unknown.returncode == 2
    assert "pipeline.yaml:3: unknown stage 't.shirt'; did you mean 't.short'?" in unknown.stderr
    (place / "pipeline.yaml").write_text(PIPELINE.replace("skip", "fail"))
    strict = steward(place, "run", "pipeline.yaml")
    assert strict.returncode == 2 and "in.jsonl:3: not JSON" in strict.stderr and "nonsense" not in strict.stderr


def test_a_run_that_does_not_balance_exits_5(place: Path) -> None:
    (place / "pipeline.yaml").write_text(PIPELINE.replace("least: 10", "mute: true"))
    ran = steward(place, "run", "pipeline.yaml")
    assert ran.returncode == 5 and "does not balance" in ran.stderr and not (place / "out/summary.json").exists()


def test_a_second_run_drops_what_the_first_one_kept(tmp_path: Path) -> None:
    """From another folder, so that paths are those of the pipeline's file; and the second again gives the same."""
    texts = [" ".join(a + b + c for b in "bdfgk" for c in "aeioumn") for a in "abc"]
    for name, kept in (("first", texts[:2]), ("second", [texts[1] + " end", texts[2]])):
        rows = "".join(json.dumps({"id": f"{name}-{n}", "text": text}) + "\n" for n, text in enumerate(kept))
        (tmp_path / f"{name}.jsonl").write_text(rows)
        for out in (name, f"{name}-again"):
            stages = "stages: [{use: dedupe.minhash, index: seen}]"
            (tmp_path / f"{out}.yaml").write_text(f"input: {{path: {name}.jsonl}}\n{stages}\noutput: {{path: {out}}}\n")
    merged = [
        json.loads(inside("data", "run", str(tmp_path / f"{out}.yaml"), "--json", "--workers", "1").stdout)["merged"]
        for out in ("first", "second", "second-again", "first-again")
    ]
    assert merged == [0, 1, 1, 0] and len(list((tmp_path / "seen").iterdir())) == 2
    [why] = json.loads(inside("data", "explain", str(tmp_path / "second"), "second-0", "--json").stdout)
    assert (why["rule"], why["duplicate_of"]) == ("near_duplicate", "first-1")


def test_convert_writes_another_shape_and_names_what_does_not_fit(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi?"}, {"from": "teacher", "value": "Yes."}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"conversations": turns}) + "\n" + json.dumps({"conversations": []}))
    command = ("data", "convert", "a.jsonl", "--to", "openai", "--output", "b.jsonl")
    refused = inside(*command, cwd=tmp_path)
    assert refused.returncode == 2 and "a.jsonl:1" in refused.stderr and not (tmp_path / "b.jsonl").exists()
    record = inside(*command, "--role", "teacher=assistant", "--on-error", "skip", "--json", cwd=tmp_path)
    found = json.loads(record.stdout)
    assert (found["rows_in"], found["converted"], found["failed"], found["rows_out"]) == (2, 1, 1, 1)
    assert found["refusals"][0]["where"] == "a.jsonl:2"
    messages = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    assert json.loads((tmp_path / "b.jsonl").read_text()) == {"messages": messages}
    none = inside("data", "convert", "b.jsonl", "--to", "kto", "--output", "c.json", "--on-error", "skip", cwd=tmp_path)
    assert none.returncode == 1 and "b.jsonl:1" in none.stderr and (tmp_path / "c.json").read_text() == "[\n\n]\n"
    ending = inside("data", "convert", "b.jsonl", "--to", "kto", "--output", "c.xml", cwd=tmp_path)
    assert ending.returncode == 2 and ".jsonl.gz" in ending.stderr


def test_compare_names_the_reasons_that_differ(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f'{{"text": "text {number}", "n": {number}}}\n' for number in range(9)))
    for name, where in (("a", "n < 5"), ("b", "n < 7")):
        pipeline = f"input: {{path: in.jsonl}}\nstages: [{{use: filter, where: {where}}}]\noutput: {{path: {name}}}\n"
        (tmp_path / f"{name}.yaml").write_text(pipeline)
        assert inside("data", "run", f"{name}.yaml", cwd=tmp_path).returncode == 0
    found = inside("data", "compare", "a", "b", "--json", cwd=tmp_path)
    assert found.returncode == 1
    assert json.loads(found.stdout)["rules"] == [{"stage": "filter", "rule": "drop where", "first": 4, "second": 2}]
    assert "the same inputs; other rows came out: 5 and 7" in inside("data", "compare", "a", "b", cwd=tmp_path).stdout
    assert inside("data", "compare", "a", "a", cwd=tmp_path).returncode == 0


def test_a_classifier_is_trained_filters_and_rows_are_packed(place: Path) -> None:
    labelled = [
        {"text": f"A river carves valley {n}" if n % 2 else f"win offer {n}", "kind": "good" if n % 2 else "spam"}
        for n in range(300)
    ]
    (place / "labels.json").write_text(json.dumps(labelled))
    command = ("classifier", "train", "labels.json", "--label", "kind", "--good", "good", "--output", "good.npz")
    trained = steward(place, *command)
    assert trained.returncode == 0, trained.stderr
    assert "100.0% (95 %: " in trained.stdout and "accuracy of guessing" in trained.stdout
    record = json.loads(steward(place, *command, "--json").stdout)
    assert record["held_out"]["accuracy"] == 1 and record["good"] == 150
    labelled += [{"text": f"A river carves valley {n}", "kind": "good"} for n in (1, 3)]
    (place / "new.json").write_text(json.dumps(labelled))
    (place / "filter.yaml").write_text(
        "input: {path: new.json}\nstages:\n  - {use: classifier, file: good.npz}\n"
        "  - {use: columns, derive: {size: len(text)}, types: {size: int64}}\n"
        "  - {use: pack, length: 60, of: size}\noutput: {path: filtered, format: jsonl}\n"
    )
    ran = steward(place, "run", "filter.yaml", "--workers", "2")
    assert ran.returncode == 0, ran.stderr
    assert "302 rows in + 0 added = 152 out + 150 dropped" in ran.stdout
    rows = [
        json.loads(line)
        for file in (place / "filtered" / "rows").glob("*.jsonl")
        for line in file.read_text().split("\n")
        if line
    ]
    sizes: dict[int, int] = {}
    for row in rows:
        assert row["classifier_score"] >= 0.5
        sizes[row["pack"]] = sizes.get(row["pack"], 0) + row["size"]
    assert max(sizes.values()) <= 60 and len(sizes) == 76  # 23 to 25 letters each: two fit, three do not
    (place / "random.json").write_text(
        json.dumps([{"text": f"text {n}", "kind": str(n * 7919 % 13 % 2)} for n in range(300)])
    )
    useless = steward(
        place, "classifier", "train", "random.json", "--label", "kind", "--good", "1", "--output", "useless.npz"
    )
    assert useless.returncode == 1 and "not surely better than guessing" in useless.stderr
