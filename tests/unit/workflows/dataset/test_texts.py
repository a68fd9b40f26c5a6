import json

import pytest

from steward.core.errors import InputError
from steward.improvement.dataset.config import DatasetConfig
from steward.improvement.dataset.rows import TrainingRow
from steward.workflows.dataset.texts import clean_rows, read_evaluated_subjects, read_items_to_avoid, scrub_rows


def scrub(*messages, profile="default"):
    row = TrainingRow(id="a", origin="file", source="f", prompt=messages, completion=())
    [scrubbed], changed = scrub_rows([row], profile, lambda done, total, what: None)
    return scrubbed.prompt, changed


def test_an_address_becomes_its_kind_in_texts_parts_and_arguments():
    call = {
        "id": "bob@example.com",
        "type": "function",
        "function": {"name": "f", "arguments": '{"to":"bob@example.com"}'},
    }
    prompt, changed = scrub(
        {"role": "user", "content": "I am bob@example.com"},
        {"role": "user", "content": [{"type": "text", "text": "bob@example.com"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    )
    assert changed == 1
    assert prompt[0]["content"] == "I am [EMAIL REDACTED]"
    assert prompt[1]["content"][0]["text"] == "[EMAIL REDACTED]"
    assert prompt[2]["tool_calls"][0]["function"]["arguments"] == '{"to":"[EMAIL REDACTED]"}'
    assert prompt[2]["tool_calls"][0]["id"] == "bob@example.com"  # ids tie calls to their answers


def test_what_holds_nothing_personal_and_what_is_not_to_be_scrubbed_stays():
    assert scrub({"role": "user", "content": "Where is it?"})[1] == 0
    assert scrub({"role": "user", "content": "bob@example.com"}, profile="off")[0][0]["content"] == "bob@example.com"


def test_progress_is_told_every_fifty_rows():
    row = TrainingRow(id="a", origin="file", source="f", prompt=(), completion=())
    steps = []
    scrub_rows([row] * 101, "default", lambda *step: steps.append(step))
    assert [(done, total) for done, total, _ in steps] == [(50, 101), (100, 101)]


def make_row(number, question, answer):
    said = ({"role": "user", "content": question},), ({"role": "assistant", "content": answer},)
    return TrainingRow(id=f"f:{number}", origin="file", source="f", prompt=said[0], completion=said[1])


def make_config(**fields):
    return DatasetConfig(**{"name": "n", "sources": [{"kind": "file", "path": "x.jsonl"}], **fields})


LONG = "The committee met on Tuesday to talk about the new library, and most of its members liked the plan very much."


def clean(tmp_path, rows, **fields):
    (tmp_path / "work").mkdir()
    kept, steps, warnings = clean_rows(rows, make_config(**fields), tmp_path, tmp_path / "work", lambda *_: None)
    return [row.id for row in kept], {step.name: step for step in steps}, warnings


def test_rows_are_well_formed_and_there_once(tmp_path):
    rows = [make_row(0, "Who met?", LONG), make_row(1, "Who met?", LONG), make_row(2, "Who?", ""),
            make_row(3, "Who met there?", LONG.replace("Tuesday", "Monday"))]  # fmt: skip
    kept, steps, warnings = clean(tmp_path, rows, duplicates={"near": None})
    assert kept == ["f:0", "f:3"] and warnings == ()
    quality = steps["quality"]
    assert (quality.rows_in, quality.rows_out, quality.removed, quality.reasons) == (4, 3, 1, {"empty_answer": 1})
    assert (steps["dedupe.exact"].rows_in, steps["dedupe.exact"].removed) == (3, 1) and len(steps) == 2


def test_the_first_of_near_duplicates_stays(tmp_path):
    rows = [make_row(0, "Who met?", LONG * 3), make_row(1, "Who met?", LONG * 3 + " Indeed.")]
    kept, steps, _ = clean(tmp_path, rows, duplicates={"near": 0.7})
    assert kept == ["f:0"] and steps["dedupe.minhash"].removed == 1


def test_what_an_evaluation_set_quotes_is_left_out(tmp_path):
    (tmp_path / "set.jsonl").write_text(json.dumps({"id": LONG, "question": "q " + LONG, "subject": "anna"}) + "\n")
    rows = [make_row(0, "Who met?", LONG), make_row(1, "Where?", "In the old town hall beside the river, at noon.")]
    kept, steps, _ = clean(tmp_path, rows, evaluation_sets=[{"path": "set.jsonl"}], duplicates={"near": None})
    assert kept == ["f:1"] and steps["decontaminate"].removed == 1


def test_fields_that_are_looked_for(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"id": "1", "subject": "anna", "q": "a", "more": "b"}\n')
    (tmp_path / "texts.csv").write_text("a text\n")

    def read(**fields):
        return list(read_items_to_avoid(make_config(evaluation_sets=[{"path": "*.*", **fields}]), tmp_path))

    assert read() == [{"q": "a", "more": "b"}, ["a text"]]  # neither its name nor whose it is
    assert read(fields=["q"]) == [{"q": "a"}, ["a text"]]
    with pytest.raises(InputError, match=r"no field 'gone'; its fields are id, more, q, subject"):
        read(fields=["gone"])
    with pytest.raises(InputError, match="no file matches"):
        list(read_items_to_avoid(make_config(evaluation_sets=[{"path": "none/*"}]), tmp_path))
    config = make_config(evaluation_sets=[{"path": "set.jsonl"}])
    assert read_evaluated_subjects(config, tmp_path, str.upper) == {"anna", "ANNA"}
