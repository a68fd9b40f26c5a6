import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
import xxhash

from corpus_stages import batch
from steward.core.errors import InputError
from steward.data.stage_files import hash_files
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


def names_of(stage: Decontaminate, *rows: str) -> list[tuple[str, str]]:
    entries = stage.apply(batch(list(rows))).entries
    return [(entry.id, Path(str(entry.duplicate_of)).name) for entry in entries]


def test_d01_every_field_of_an_item_is_looked_for_on_its_own(tmp_path: Path) -> None:
    item = {"id": "item number forty two", "question": SHORT, "answer": "the old stone bridge"}
    (tmp_path / "a.jsonl").write_text(json.dumps(item))
    stage = Decontaminate(against=(str(tmp_path / "a.jsonl"),))
    assert names_of(stage, f"Q: {SHORT}?", f"{SHORT} the old stone bridge", "the old stone bridge fell") == [
        ("r0", "a.jsonl:1"),
        ("r1", "a.jsonl:1"),
    ]


def test_d01_short_texts_are_found_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "What is 12 plus 7?", "a": "19"}\n{"q": "Who wrote the Iliad poem?"}')
    stage = Decontaminate(against=(str(tmp_path / "a.jsonl"),))
    rows = ("what is 12 plus 7", "What is 99 plus 7?", "Tom asked: what is 12 plus 7?", "Who wrote Iliad poem", "19")
    assert names_of(stage, *rows) == [("r0", "a.jsonl:1"), ("r3", "a.jsonl:2")]


def test_d01_short_texts_are_found_in_spite_of_a_typo(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, {"q": "What is 12 plus 7?"}, {"q": "Who wrote the Iliad poem?"})
    chat = {"row": 0, "id": "c", "messages": [{"role": "user", "content": "Who wrote the Illiad poem?"}]}
    result = stage.apply(pa.RecordBatch.from_pylist([chat]))
    assert [entry.rule for entry in result.entries] == ["contaminated"]
    assert names_of(stage, "What is 99 plus 3?", "waht is 12 plus 7", "What is 12 plus 3?") == [("r1", "a.jsonl:1")]


def test_d01_what_cannot_be_looked_for_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "Why?", "a": "No"}\n{"q": "Who wrote the Iliad?"}')
    assert Decontaminate(against=(str(tmp_path / "a.jsonl"),)).check() == [
        "1 of 2 items have no text of 3 words and are not looked for"
    ]


SQUAD = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [{"question": LONG}]}]}]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("squad.json", json.dumps(SQUAD).encode()),
        ("indented.json", json.dumps(SQUAD, indent=1).encode()),
        ("lines.json", f'{{"q": "x"}}\n{{"q": "{LONG}"}}\n'.encode()),
        ("a.jsonl.gz", gzip.compress(f'{{"q": "{LONG}"}}\n'.encode(), mtime=0)),
        ("one.json", json.dumps({"q": LONG}).encode()),
        ("a.tsv", f"q\tn\n{LONG}\t1\n".encode()),
        ("a.yaml", f"- question: {LONG}\n  answer: yes\n".encode()),
        ("a.yml", f"version: 1\nitems:\n- q: {LONG}\n".encode()),
        ("semicolons.csv", f"q;n\n{LONG};1\n".encode()),
        ("bars.csv", f"q|n\n{LONG}|1\n".encode()),
        ("utf16.csv", f"q,n\n{LONG},1\n".encode("utf-16")),
        ("returns.csv", f"q,n\r{LONG},1\r".encode()),
        ("packed.csv", gzip.compress(f"q,n\n{LONG},1\n".encode(), mtime=0)),
        ("a", f'{{"q": "{LONG}"}}\n{{"q": "x"}}\n'.encode()),
        ("a.dat", json.dumps(SQUAD, indent=1).encode()),
        ("a.xml", f"<set><item><q>{LONG.replace(' ', '<b/> ')}</q></item></set>".encode()),
        ("entities.txt", LONG.replace(" ", "&nbsp;").encode()),
        ("inner.jsonl", (json.dumps({"doc": json.dumps([{"q": LONG}])}) + "\n").encode()),
        ("columns.json", json.dumps({"q": ["x", LONG], "a": ["y", "z"]}).encode()),
        ("named.json", json.dumps({"q1": {"text": LONG}, "q2": {"text": "x"}}).encode()),
        ("texts.json", json.dumps(["x", LONG]).encode()),
        ("text.json", json.dumps(LONG).encode()),
        ("texts.jsonl", f'"x"\n"{LONG}"\n'.encode()),
        ("lines_of_texts.json", f'"x"\n"{LONG}"\n'.encode()),
        ("lists.jsonl", f'["x", "{LONG}"]\n'.encode()),
        ("folder/deep/a.jsonl", f'{{"q": "{LONG}"}}\n'.encode()),
    ],
)
def test_d02_items_are_found_in_every_shape_of_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(content)
    stage = Decontaminate(against=(str(tmp_path / name.partition("/")[0]),))
    assert len(stage.apply(batch([LONG])).batch) == 0
    assert hash_files(stage) == {str(tmp_path / name): xxhash.xxh3_128_hexdigest(content)}


def test_d02_a_broken_set_is_an_error_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": [')
    with pytest.raises(InputError, match=r"a\.json:1: not JSON"):
        Decontaminate(against=(str(tmp_path / "a.json"),)).check()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b"", "no item in it"),
        ("a.txt", b"\n \n", "no item in it"),
        ("a.yaml", b"a: [", "not YAML"),
        ("a.zip", b"PK\x03\x04\x14\x00", "is no text"),
        ("a.arrow", b"ARROW1\x00\x00", "is no text"),
        ("a.csv", "q\ncafé au lait\n".encode("latin-1"), "not UTF-8"),
        ("a.json", b"[1, 2]", "hides an item"),
    ],
)
def test_d02_what_holds_nothing_to_look_for_is_an_error_before_the_run(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        Decontaminate(against=(str(tmp_path / name),)).check()


EIGHT = "river bridge castle garden window mirror candle ladder"


def stage_of(folder: Path, *items: object, name: str = "a.jsonl") -> Decontaminate:
    (folder / name).write_text("".join(json.dumps(item) + "\n" for item in items))
    return Decontaminate(against=(str(folder / name),))


def test_every_run_of_an_item_is_found(tmp_path: Path) -> None:
    words = LONG.split()  # 16, so 4 runs of 13
    runs = [" ".join(words[at : at + 13]) for at in range(4)]
    assert len(names_of(stage_of(tmp_path, {"q": LONG}), *runs, " ".join(words[:12]))) == 4


@pytest.mark.parametrize(("words", "found"), [(13, True), (8, True), (7, False)])
def test_eight_words_are_looked_for_within_a_text_and_seven_are_not(tmp_path: Path, words: int, found: bool) -> None:
    text = " ".join(f"{EIGHT} {LONG}".split()[:words])
    stage = stage_of(tmp_path, {"q": text})
    assert bool(names_of(stage, f"Tom said: {text} yesterday")) is found and bool(names_of(stage, text))
    assert stage.check() == []


MIDDLE = "which is the largest harbour of the northern provinces of Finland"  # 5 content words of 11


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("Tom asked: what's the largest harbour in northern provinces, of Finland? I know.", True),
        ("the largest harbour of the northern provinces of Norway", False),
        ("the largest harbour of the northern cold dark provinces of Finland", False),
        ("the largest harbour of the northern provnices of Finland", True),
        ("Finland: northern provinces, largest harbour", False),
        ("largest harbour in northern provinces of", False),
    ],
)
def test_d01_texts_of_eight_to_twelve_words_are_found_with_other_stop_words(
    tmp_path: Path, row: str, found: bool
) -> None:
    stage = stage_of(tmp_path, {"q": EIGHT}, {"q": MIDDLE}, {"q": MIDDLE.replace("Finland", "Sweden")})
    assert names_of(stage, "a clean row", row) == [("r1", "a.jsonl:2")] * found
    assert stage.check() == []


def test_d01_texts_of_few_content_words_are_found_to_the_letter_and_counted(tmp_path: Path) -> None:
    text = "what is it that we have to do about the river"
    stage = stage_of(tmp_path, {"q": text}, {"q": EIGHT})
    assert names_of(stage, f"so {text} then", text.replace("what", "which") + " now") == [("r0", "a.jsonl:1")]
    assert stage.check() == [
        "1 of 2 items have a text of 8 to 12 words, fewer than 4 of them no stop words: "
        "within longer texts it is looked for to the letter"
    ]


def shares_of(stage: Decontaminate, *rows: str) -> list[float | str | None]:
    return [entry.value for entry in stage.apply(batch(list(rows))).entries]


def test_the_value_is_the_share_of_the_rows_runs(tmp_path: Path) -> None:
    thirteen = " ".join(LONG.split()[:13])
    stage = stage_of(tmp_path, {"q": thirteen})
    assert shares_of(stage, thirteen, f"{thirteen} indeed", f"so {thirteen} it seems") == [1.0, 0.5, 0.25]


def test_a_share_is_at_most_1(tmp_path: Path) -> None:
    """Twelve words have no run of 13, and quote two items of 8."""
    words = LONG.split()
    stage = stage_of(tmp_path, {"q": " ".join(words[:8])}, {"q": " ".join(words[4:12])})
    assert shares_of(stage, " ".join(words[:12])) == [1.0]
    assert shares_of(stage_of(tmp_path, {"q": "Who wrote the Iliad?"}, name="b.jsonl"), "who wrote the Iliad") == [1.0]


def test_a_row_that_quotes_two_items_names_the_shorter(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, {"q": EIGHT}, {"q": LONG})
    assert names_of(stage, f"{LONG} {EIGHT}") == [("r0", "a.jsonl:1")]
    pair = pa.RecordBatch.from_pylist([{"row": 0, "id": "p", "prompt": EIGHT, "chosen": "a b c d", "rejected": "x"}])
    [entry] = stage_of(tmp_path, {"q": EIGHT}, {"q": "a b c d"}).apply(pair).entries
    assert str(entry.duplicate_of).endswith("a.jsonl:1")


@pytest.mark.parametrize(("length", "found"), [(600, True), (601, False)])
def test_strings_of_600_characters_are_compared_with_short_items(tmp_path: Path, length: int, found: bool) -> None:
    stage = stage_of(tmp_path, {"q": "Who wrote the Iliad?"})
    assert bool(names_of(stage, "Who wrote the Iliad".ljust(length, "?"))) is found


@pytest.mark.parametrize(("stops", "found"), [(13, True), (14, False)])
def test_a_row_of_twice_the_shortest_is_compared_with_short_items(tmp_path: Path, stops: int, found: bool) -> None:
    """Three words that are no stop words, and 13 that are, make 16."""
    stage = stage_of(tmp_path, {"q": "Who wrote the Iliad poem?"})
    assert bool(names_of(stage, " ".join(["wrote", *["the"] * stops, "Iliad", "poem"]))) is found


def test_two_fields_are_looked_for_together(tmp_path: Path) -> None:
    words = LONG.split()
    stage = stage_of(tmp_path, {"q": " ".join(words[:7]), "a": " ".join(words[7:14])})
    assert len(names_of(stage, f"Tom: {' '.join(words[:14])} yes")) == 1


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_cells_are_texts_of_their_own(tmp_path: Path, name: str, mark: str) -> None:
    (tmp_path / name).write_text(f"1{mark}Who wrote the Iliad?\n2{mark}{EIGHT}\n")
    stage = Decontaminate(against=(str(tmp_path / name),))
    assert names_of(stage, "who wrote the Iliad", f"so {EIGHT} is") == [("r0", f"{name}:1"), ("r1", f"{name}:2")]
