import hashlib

from steward.improvement.dataset.rows import TrainingRow, commit_row, encode_row, order_rows


def row(name="a", **fields):
    given = {
        "origin": "file",
        "source": "f.jsonl",
        "prompt": ({"role": "user", "content": "Where is my order?"},),
        "completion": ({"role": "assistant", "content": "On its way."},),
    }
    return TrainingRow(id=name, **{**given, **fields})


def test_a_unit_is_the_person_else_the_conversation_else_the_question():
    assert row(subject="5f", conversation="c").unit() == "subject 5f"
    assert row(conversation="c").unit() == "conversation c"
    assert row("a").unit() == row("b", completion=()).unit()  # the same question
    assert row().unit() != row(prompt=({"role": "user", "content": "Hi"},)).unit()


def test_a_row_is_written_without_what_is_as_usual_and_committed_by_sha_256():
    line = encode_row(row())
    assert line == (
        b'{"id":"a","origin":"file","source":"f.jsonl","prompt":[{"role":"user","content":"Where is my order?"}],'
        b'"completion":[{"role":"assistant","content":"On its way."}]}'
    )
    assert commit_row(row()) == hashlib.sha256(line).hexdigest()


def test_corrections_come_first_then_files_ratings_exchanges_and_replay_and_the_newest_of_each():
    rows = [
        row("replayed", origin="replay", at=9.0),
        row("kept", origin="exchange"),
        row("old liked", origin="rating", at=1.0),
        row("liked", origin="rating", at=2.0),
        row("own"),
        row("corrected", origin="correction"),
    ]
    assert [one.id for one in order_rows(rows)] == ["corrected", "own", "liked", "old liked", "kept", "replayed"]
