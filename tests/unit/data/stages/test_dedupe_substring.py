from pathlib import Path

import pytest

from corpus_stages import batch, ran
from data_batches import chat
from steward.core.errors import InputError
from steward.data import Pipeline, read_rows
from steward.data.stages.dedupe_substring import DedupeSubstring, _fit_runs


def test_only_whole_characters_go() -> None:
    """The second document shares the bytes c3 a9 61 … of `é`; a run may begin or end within a character."""
    one, two = "xé" + "a" * 20 + "ü", "yã" + "a" * 20 + "ù"
    left, [entry] = ran(DedupeSubstring(min_bytes=16), [batch([one, two])])
    assert left["text"].to_pylist() == [one, "yãù"] and entry.value == 20.0


def test_a_run_within_a_character_is_none() -> None:
    """é has two bytes, 1 and 2 of four."""
    assert _fit_runs("aéü", [(2, 3), (1, 3), (3, 3)]) == [(1, 3)]


TEXT = "This licence is given to everyone who obtains a copy of this software and of its documents."


def test_the_first_copy_stays_and_a_document_of_which_nothing_is_left_goes() -> None:
    rows = batch([f"First. {TEXT} End.", f"Second. {TEXT}", TEXT, "Something else."])
    left, entries = ran(DedupeSubstring(min_bytes=40), [rows.slice(0, 1), rows.slice(1)])
    assert left["text"].to_pylist() == [f"First. {TEXT} End.", "Second", "Something else."]  # ". " is common too
    assert [(entry.id, entry.action, entry.rule, entry.value) for entry in entries] == [
        ("r1", "change", "repeated_text", float(len(TEXT) + 2)), ("r2", "drop", "all_repeated", float(len(TEXT))),
    ]  # fmt: skip


def test_chats_pass_unchanged() -> None:
    stage, rows = DedupeSubstring(min_bytes=16), chat(("user", TEXT), ("assistant", TEXT))
    assert stage.apply(rows, stage.decide([stage.survey(rows)])).batch.equals(rows)


def test_too_much_text_is_refused() -> None:
    stage = DedupeSubstring(max_mb=0.0001)
    with pytest.raises(InputError, match=r"more than 0\.0001 MB of text.*use dedupe\.parts"):
        stage.decide([stage.survey(batch([TEXT, TEXT]))])


def test_a_pipeline_takes_repeated_text_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "One. {TEXT}"}}\n{{"text": "Two. {TEXT}"}}\n')
    Pipeline([{"use": "dedupe.substring", "min_bytes": 50}]).run(str(tmp_path / "a.jsonl"), tmp_path / "out")
    assert read_rows(tmp_path / "out")["text"].to_pylist() == [f"One. {TEXT}", "Two"]
