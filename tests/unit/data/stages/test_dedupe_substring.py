import random
import sys
from pathlib import Path

import pytest

from corpus_stages import batch, ran
from data_batches import chat
from steward.core.errors import InputError
from steward.data import Pipeline, read_rows
from steward.data.stages.dedupe_substring import DedupeSubstring, find_repeated_runs


def find_by_hand(documents: list[bytes], least: int) -> list[tuple[int, int, int]]:
    """By trying every run: what is in a later copy of a run and in no first one."""
    first: dict[bytes, tuple[int, int]] = {}
    later, kept = set(), set()
    for number, document in enumerate(documents):
        for at in range(len(document) - least + 1):
            run = document[at : at + least]
            if run in first:
                later |= {(number, at + k) for k in range(least)}
                kept |= {(first[run][0], first[run][1] + k) for k in range(least)}
            else:
                first[run] = (number, at)
    gone = later - kept
    return [
        (number, start, next(end for end in range(start, len(document) + 1) if (number, end) not in gone))
        for number, document in enumerate(documents)
        for start in range(len(document))
        if (number, start) in gone and (number, start - 1) not in gone
    ]


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_those_that_trying_all_finds(seed: int) -> None:
    draw = random.Random(seed)
    documents = [bytes(draw.choices(b"abc", k=draw.randint(0, 60))) for _ in range(8)]
    assert find_repeated_runs(documents, 6) == find_by_hand(documents, 6)


def test_nothing_and_empty_documents_have_no_runs() -> None:
    assert find_repeated_runs([], 4) == [] and find_repeated_runs([b"", b""], 4) == []


def test_only_whole_characters_go() -> None:
    """The second document shares the bytes c3 a9 61 … of `é`; a run may begin or end within a character."""
    one, two = "xé" + "a" * 3 + "ü", "yã" + "a" * 3 + "ù"
    assert find_repeated_runs([one.encode(), two.encode()], 4) == [(1, 3, 6)]


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


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)
    with pytest.raises(InputError, match="needs pydivsufsort; "):
        DedupeSubstring().check()


def test_a_pipeline_takes_repeated_text_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "One. {TEXT}"}}\n{{"text": "Two. {TEXT}"}}\n')
    Pipeline([{"use": "dedupe.substring", "min_bytes": 50}]).run(str(tmp_path / "a.jsonl"), tmp_path / "out")
    assert read_rows(tmp_path / "out")["text"].to_pylist() == [f"One. {TEXT}", "Two"]
