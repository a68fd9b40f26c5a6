"""Suites: the one that ships, CSV, repeats, and templates that understand nothing but fields."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.run import clusters_by_id
from steward.evaluation.suite import (
    BehaviorCheck,
    MustPass,
    PromptMessage,
    QuestionChange,
    SuiteSpec,
    list_asked_fields,
    load_suite,
    option_letters,
)
from steward.workflows.evaluate.suites import find_suite


def test_the_suite_that_ships_asks_every_held_out_question() -> None:
    path = find_suite("starter")
    suite = load_suite(path)
    lines = (path.parent / "sets" / "held_out.jsonl").read_text().splitlines()
    assert len(suite.items) == len(lines) and suite.spec.slices == ("topic",)
    assert clusters_by_id(suite.items) and all(item.references for item in suite.items)
    assert (
        len(load_suite(find_suite("starter-free")).items) == 60
        and len(load_suite(find_suite("starter-seen")).items) == 500
    )
    with pytest.raises(UnknownName, match="did you mean 'starter'"):
        find_suite("startr")


def write(folder: Path, data: str, more: str = "") -> Path:
    (folder / "d.csv").write_text(data)
    text = 'name: s\ndata: d.csv\nid: id\nprompt: "{q} please {{x}}"\nreferences: right\nmetrics: [accuracy]\n'
    (folder / "s.yaml").write_text(text + more)
    return folder / "s.yaml"


def test_csv_and_repeats(tmp_path: Path) -> None:
    """A repeat is an item of its own in its item's cluster, so that repeats make no interval narrower than they may."""
    suite = load_suite(write(tmp_path, 'id,q,x,right\n7,"a, b",v,yes\n8,c,w,no\n', "repeats: 2\n"))
    assert [(item.id, item.cluster) for item in suite.items] == [("7#1", "7"), ("7#2", "7"), ("8#1", "8"), ("8#2", "8")]
    assert suite.items[0].messages[0].content == "a, b please {x}" and suite.items[0].references == ("yes",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("id,q,x,right\n7,a\n", "d.csv:2: the row and the header have different numbers of cells"),
        ("id,q,x,right\n", "no rows"),
        ("id,q,x\n7,a,v\n", "'right'"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, data: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_suite(write(tmp_path, data))


def test_the_wording_of_prompts_is_no_part_of_the_data(tmp_path: Path) -> None:
    """So that two prompts may be compared over the same items."""
    path = write(tmp_path, "id,q,x,right\n7,a,v,yes\n")
    one = load_suite(path)
    path.write_text(path.read_text().replace("please", "now"))
    other = load_suite(path)
    assert one.data_sha256 == other.data_sha256 and one.prompts_sha256 != other.prompts_sha256


def test_parquet_asks_what_json_lines_ask(tmp_path: Path) -> None:
    rows = [{"id": "7", "q": "a", "x": 1, "right": ["yes", "y"]}, {"id": "8", "q": "é", "x": 2, "right": ["no"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    path = write(tmp_path, "")
    found = []
    for kind in ("parquet", "jsonl"):
        path.write_text(path.read_text().replace("d.csv", f"d.{kind}").replace("d.parquet", f"d.{kind}"))
        path.write_text(path.read_text().replace("accuracy", "exact_match"))
        found.append(load_suite(path))
    assert found[0].items == found[1].items and found[0].data_sha256 == found[1].data_sha256


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_text(path.read_text().replace("d.csv", "d.parquet"))
    with pytest.raises(InputError, match="parquet: No such file"):
        load_suite(path)
    (tmp_path / "d.parquet").write_text("no")
    with pytest.raises(InputError, match="parquet: not a Parquet file"):
        load_suite(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"q": None}, "item '7': 'q' is null"),
        ({"right": None}, "item '7': 'right' is null"),
        ({"right": []}, "item '7', metric accuracy: references is empty"),
        ({"right": [None]}, "item '7', metric accuracy: a reference is NoneType"),
        ({"right": ["a", "b"]}, "item '7', metric accuracy: references has 2 labels"),
        ({"id": None}, "row 1: 'id' is null"),
    ],
)
def test_bad_items_are_named_before_anything_is_asked(tmp_path: Path, row: dict[str, object], said: str) -> None:
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "7", "q": "a", "x": "b", "right": "c"} | row))
    path = write(tmp_path, "")
    path.write_text(path.read_text().replace("d.csv", "d.jsonl"))
    with pytest.raises(InputError, match=said):
        load_suite(path)


@pytest.mark.parametrize("kind", [SuiteSpec, BehaviorCheck, QuestionChange])
def test_the_reference_names_every_key(kind: type) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "suites.md").read_text()
    assert [name for name in kind.__struct_fields__ if f"`{name}`" not in page] == []  # type: ignore[attr-defined]


def test_what_a_suite_leaves_out_is_strict() -> None:
    check = BehaviorCheck(name="c", kind="MFT")
    assert (check.least, check.at_least, MustPass("exact_match", ("1",)).least) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(("count", "fits"), [(1, False), (2, True), (26, True), (27, False)])
def test_options_have_letters_from_a_to_z(tmp_path: Path, count: int, fits: bool) -> None:
    options = [f"option {n}" for n in range(count)]
    (tmp_path / "d.jsonl").write_text(json.dumps({"o": options, "references": "A"}))
    (tmp_path / "s.yaml").write_text('name: s\ndata: d.jsonl\nprompt: "{o}"\nchoices: o\nmetrics: [choice]\n')
    if fits:
        content = load_suite(tmp_path / "s.yaml").items[0].messages[0].content
        assert content.splitlines()[-1] == f"{chr(ord('A') + count - 1)}. option {count - 1}"
    else:
        with pytest.raises(InputError, match="expected a list of 2 to 26"):
            load_suite(tmp_path / "s.yaml")


ROW = "id,q,x,right\n7,a,v,yes\n8,b,w,no\n"


def test_one_id_twice_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"d\.csv: id '7' appears twice"):
        load_suite(write(tmp_path, ROW.replace("8,", "7,")))


def test_an_item_that_must_pass_is_there_unless_only_a_part_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, ROW, "must_pass: {metric: accuracy, items: ['7', '9']}\n")
    with pytest.raises(InputError, match="must_pass names '9', which is not an item"):
        load_suite(path)
    assert len(load_suite(path, limit=1).items) == 1
    assert len(load_suite(path, rewrite=lambda row, name: row if name == "8" else None).items) == 1
    repeated = write(tmp_path, ROW, "must_pass: {metric: accuracy, items: ['7', '8#2']}\nrepeats: 2\n")
    assert len(load_suite(repeated).items) == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("repeats: 0\n", "repeats 0, expected 1 to 1000"), ("repeats: 1001\n", "repeats 1001"),
        ("max_turns: 0\n", "max_turns 0, expected 1 to 100"),
        ("max_turns: 101\n", "max_turns 101"),
        ("must_pass: {metric: f1, items: ['7']}\n", "must_pass.metric 'f1' is not among the metrics"),
        ("checks: [{name: c, kind: MFT, where: {topic: a}}]\n", "slice of the suite"),
        ("checks: [{name: c, kind: MFT, metric: f1}]\n", "metric of the suite"),
        ("checks: [{name: c, kind: MFT, at_least: 1.1}]\n", "at_least 1.1, expected 0 to 1"),
        ("checks: [{name: c, kind: MFT, at_least: -0.1}]\n", "at_least -0.1"),
        ("checks: [{name: c, kind: INV}]\n", r"INV takes \['change'\], found \[\]"),
        ("checks: [{name: c, kind: INV, change: {use: typos}, metric: accuracy}]\n", r"found \['change', 'metric'\]"),
        ("checks: [{name: c, kind: MFT, change: {use: typos}}]\n", r"MFT takes \['metric'\], found \['change'\]"),
        ("checks: [{name: c, kind: DIR, change: {use: typos}}]\n", r"DIR takes \['change', 'expect'\]"),
        ("checks: [{name: c, kind: MFT, labels: [yes]}]\n", "MFT takes"),
        ("checks: [{name: c, kind: MFT}, {name: c, kind: MFT}]\n", "two checks have the same name"),
    ],
)  # fmt: skip
def test_a_wrong_suite_is_named(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises((InputError, UnknownName), match=said):
        load_suite(write(tmp_path, ROW, more))


@pytest.mark.parametrize(
    "more",
    [
        "repeats: 1000\n", "max_turns: 1\n", "max_turns: 100\n", "repeats: 1\n",
        "checks: [{name: c, kind: MFT, at_least: 1}, {name: d, kind: MFT, at_least: 0}]\n",
        "checks: [{name: c, kind: MFT, metric: accuracy}, {name: d, kind: INV, change: {use: typos}}]\n",
        "slices: [x]\nchecks: [{name: c, kind: MFT, where: {x: v}}]\n",
    ],
)  # fmt: skip
def test_what_a_suite_may_say_at_its_ends(tmp_path: Path, more: str) -> None:
    assert load_suite(write(tmp_path, ROW, more)).spec.checks is not None


def test_choices_need_a_right_one(tmp_path: Path) -> None:
    path = write(tmp_path, ROW, "choices: x\n")
    path.write_text(path.read_text().replace("references: right", "references: null"))
    with pytest.raises(InputError, match="`choices` needs `references`"):
        load_suite(path)


@pytest.mark.parametrize(
    ("references", "letters"),
    [("Oslo", ["B"]), (["Rome", "C"], ["A", "C"]), ("D", None), ("", None), ("Bx", None), ("@", None), ("b", None)],
)
def test_right_options_are_named_by_text_or_letter(references: object, letters: list[str] | None) -> None:
    options = ["Rome", "Oslo", "Bern"]
    if letters is None:
        with pytest.raises(InputError, match="neither an option nor the letter"):
            option_letters(references, options, "item '7'")
    else:
        assert option_letters(references, options, "item '7'") == letters


def test_the_fields_that_a_user_asks_of_are_listed_once_and_without_the_options() -> None:
    messages = (
        PromptMessage("system", "{role}"), PromptMessage("user", "{q} of {x}: {q}"), PromptMessage("user", "{o}"),
    )  # fmt: skip
    spec = SuiteSpec(name="s", data="d", messages=messages, metrics=("choice",), choices="o")
    assert list_asked_fields(spec) == ["q", "x"]
    assert list_asked_fields(SuiteSpec(name="s", data="d", prompt="{q}", metrics=("accuracy",))) == ["q"]


def test_only_what_the_user_says_is_asked_in_another_way(tmp_path: Path) -> None:
    path = write(tmp_path, ROW)
    path.write_text(
        path.read_text().replace(
            'prompt: "{q} please {{x}}"',
            'messages: [{role: system, content: "{q}"}, {role: user, content: "{q}"}]\nslices: [q]',
        )
    )
    (item, _) = load_suite(path, rewrite=lambda row, name: {**row, "q": "other"}).items
    assert [message.content for message in item.messages] == ["a", "other"] and item.slices == {"q": "a"}


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_text(path.read_text().replace("d.csv", "d.jsonl"))
    (tmp_path / "d.jsonl").write_text('{"id": 1}\n\n{"id": \n')
    with pytest.raises(InputError, match=r"d\.jsonl:3: "):
        load_suite(path)


def test_changes_that_swap_people_and_dialects() -> None:
    assert QuestionChange(use="gender").swaps and QuestionChange(use="gender").other_person
    assert not QuestionChange(use="typos").swaps and not QuestionChange(use="typos").other_person


def few_shot(folder: Path, few: str, data: str = "") -> list[str]:
    rows = data or "id,q,x,right\n1,one,v,uno\n2,two,v,due\n3,three,v,tre\n"
    suite = load_suite(write(folder, rows, f"few_shot: {few}\n"))
    return ["|".join(f"{message.role}:{message.content}" for message in item.messages) for item in suite.items]


def test_few_shot_examples_come_before_the_question_and_never_are_it(tmp_path: Path) -> None:
    asked = few_shot(tmp_path, "{count: 2}")
    assert asked[0].endswith("user:one please {x}") and asked[0].count("assistant:") == 2
    for text, answer in zip(asked, ("uno", "due", "tre"), strict=True):
        assert f"assistant:{answer}" not in text
    assert few_shot(tmp_path, "{count: 2}") == asked != few_shot(tmp_path, "{count: 2, seed: 3}")


def test_few_shot_examples_of_a_file_are_the_same_for_all_items(tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"q": "four", "right": ["quattro", "4"]}\n')
    asked = few_shot(tmp_path, "{count: 1, data: shots.jsonl}")
    assert asked[0] == "user:four please {x}|assistant:quattro|user:one please {x}"


@pytest.mark.parametrize(("few", "said"), [("{count: 3}", "expected 1 to 2"), ("{count: 0}", "expected 1 to 2")])
def test_few_shot_needs_rows_to_draw_from(tmp_path: Path, few: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        few_shot(tmp_path, few)


def test_contexts_and_scripts_are_read_from_the_row(tmp_path: Path) -> None:
    row = {"id": "7", "q": "a", "x": "b", "right": "c", "docs": ["d", "e"], "then": ["f"]}
    (tmp_path / "d.jsonl").write_text(json.dumps(row))
    path = write(tmp_path, "", "contexts: docs\nuser: {script: then}\n")
    path.write_text(path.read_text().replace("d.csv", "d.jsonl"))
    (item,) = load_suite(path).items
    assert item.contexts == ("d", "e") and item.script == ("f",)
    (tmp_path / "d.jsonl").write_text(json.dumps(row | {"docs": [1]}))
    with pytest.raises(InputError, match="list of texts"):
        load_suite(path)


def test_e1_a_prompt_that_asks_all_items_the_same_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "id,q,right\n1,a,x\n2,b,y\n")
    text = path.read_text()
    path.write_text(text.replace("{q} please {{x}}", "Please answer."))
    with pytest.raises(InputError, match="no field of the data, so that all 2 items are asked the same"):
        load_suite(path)
    path.write_text(text.replace("{q} please {{x}}", "Please answer.") + "repeats: 2\n")
    assert len(load_suite(path, limit=1).items) == 2  # one item, asked twice
