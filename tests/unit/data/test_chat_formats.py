import json
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data.chat_formats import detect_chat_format
from steward.data.config import Sink
from steward.data.pipeline import Pipeline

Q, A = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}
S = {"role": "system", "content": "Be brief."}


def read(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n")
    Pipeline([]).run(str(folder / "a.jsonl"), Sink(path=str(folder / "out"), format="jsonl"))
    return dict(json.loads((folder / "out/part-00000.jsonl").read_text()))


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]}, [Q, A]),
        ({"conversations": [{"from": "human", "value": "Hi?"}], "system": "Be brief."}, [S, Q]),
        ({"conversations": [Q, A]}, [Q, A]),
        ({"instruction": "Hi?", "input": "", "output": "Yes."}, [Q, A]),
        ({"instruction": "Hi", "input": "you?", "output": "Yes."}, [{**Q, "content": "Hi\n\nyou?"}, A]),
        ({"prompt": "Hi?", "completion": "Yes."}, [Q, A]),
        ({"prompt": [S, Q], "completion": [A]}, [S, Q, A]),
    ],
)
def test_every_shape_becomes_messages_and_the_rest_is_kept(
    tmp_path: Path, row: dict[str, Any], messages: list[dict[str, Any]]
) -> None:
    found = read(tmp_path, {**row, "id": "x", "score": 3})
    assert found == {"id": "x", "messages": messages, "score": 3}


def test_an_unknown_speaker_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:1: field 'messages\[0\]\.role': unknown role 'narrator'"):
        read(tmp_path, {"conversations": [{"from": "narrator", "value": "Once"}]})


def test_documents_pairs_and_chats_have_no_other_shape() -> None:
    for columns in (["text", "conversations"], ["prompt", "chosen", "rejected", "completion"], ["messages"], ["a"]):
        assert detect_chat_format(columns) is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["chosen", "rejected"], None),
        (["chosen", "prompt", "completion"], "prompt-completion"),
        (["prompt", "completion"], "prompt-completion"),
        (["prompt"], None),
        (["instruction", "output"], "alpaca"),
        (["instruction"], None),
        (["output"], None),
        (["conversations", "instruction", "output"], "sharegpt"),
    ],
)
def test_a_shape_is_told_by_its_columns(columns: list[str], expected: str | None) -> None:
    assert detect_chat_format(columns) == expected
