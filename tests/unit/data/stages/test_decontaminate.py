import json
from pathlib import Path

import pytest

from corpus_stages import batch
from steward.core.errors import InputError
from steward.data.stages.decontaminate import Decontaminate

LONG = "what is the name of the river that flows through the old town of the capital"
SHORT = "one two three four five six seven eight nine"


@pytest.fixture
def evals(tmp_path: Path) -> str:
    items = [{"q": "too short"}, {"q": LONG, "choices": ["x"]}, {"q": SHORT}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, items)))
    return str(tmp_path / "*.jsonl")


def test_a_row_that_quotes_an_item_goes_and_names_it(evals: str) -> None:
    quoting = f"Before. {LONG.upper().replace(' ', ', ')}! After."
    result = Decontaminate(against=(evals,)).apply(batch(["a clean row", quoting, f"so {SHORT} ten", "too short"]))
    assert result.batch["id"].to_pylist() == ["r0", "r3"]
    items = [(e.id, Path(str(e.duplicate_of)).name) for e in result.entries]
    assert items == [
        ("r1", "a.jsonl:2"),
        ("r2", "a.jsonl:3"),
    ]


def test_thirteen_words_are_enough_and_twelve_are_not(evals: str) -> None:
    words = LONG.split()
    result = Decontaminate(against=(evals,)).apply(batch([" ".join([*words[:12], "no"]), " ".join(words[:13])]))
    assert result.batch["id"].to_pylist() == ["r0"]


@pytest.mark.parametrize(
    ("name", "content"), [("b.txt", LONG), ("b.csv", f'1,"{LONG}"\n'), ("b.json", json.dumps([{"turns": [LONG]}]))]
)
def test_items_are_read_from_every_kind_of_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert len(Decontaminate(against=(str(tmp_path / name),)).apply(batch([LONG])).batch) == 0


def test_nothing_to_check_against_and_a_broken_line_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches"):
        Decontaminate(against=(str(tmp_path / "none*"),)).apply(batch(["x"]))
    (tmp_path / "c.jsonl").write_text('{"q": 1}\n{oops\n')
    with pytest.raises(InputError, match=r"c\.jsonl:2: not JSON"):
        Decontaminate(against=(str(tmp_path / "c.jsonl"),)).apply(batch(["x"]))
