"""Readers of public benchmarks' files: the context and choices of each format, by lm-evaluation-harness's templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.benchmarks import (
    ChoiceQuestion,
    ChoiceRow,
    ScoredChoice,
    add_examples,
    read_benchmark,
    summarise_choices,
)

MMLU = "2+2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:"
LABELLED = {"text": ["sand", "ice"], "label": ["A", "B"]}
ROWS: list[tuple[str, dict[str, Any], list[tuple[str, str]], int]] = [
    (
        "hellaswag",
        {
            "ctx_a": "A man sits.",
            "ctx_b": "he",
            "activity_label": "Sitting [x]",
            "endings": ["rises. [title] Up", "sings."],
            "label": "1",
        },
        [("Sitting : A man sits. He", "rises.. Up"), ("Sitting : A man sits. He", "sings.")],
        1,
    ),
    (
        "openbookqa",
        {"question_stem": "Cold is", "choices": LABELLED, "answerKey": "B"},
        [("Cold is", "sand"), ("Cold is", "ice")],
        1,
    ),
    (
        "arc",
        {"question": "Cold?", "choices": {"text": ["sand", "ice"], "label": ["1", "2"]}, "answerKey": "2"},
        [("Question: Cold?\nAnswer:", "sand"), ("Question: Cold?\nAnswer:", "ice")],
        1,
    ),
    (
        "arc",
        {
            "question": {"stem": "Cold?", "choices": [{"text": "ice", "label": "A"}, {"text": "fire", "label": "B"}]},
            "answerKey": "A",
        },
        [("Question: Cold?\nAnswer:", "ice"), ("Question: Cold?\nAnswer:", "fire")],
        0,
    ),
    (
        "commonsense_qa",
        {"question": "Cold? ", "question_concept": "cold", "choices": LABELLED, "answerKey": "B"},
        [("Question: Cold?\nA. sand\nB. ice\nAnswer:", "A"), ("Question: Cold?\nA. sand\nB. ice\nAnswer:", "B")],
        1,
    ),
    (
        "piqa",
        {"goal": "Cool tea", "sol1": "Wait.", "sol2": "Boil.", "label": 0},
        [("Question: Cool tea\nAnswer:", "Wait."), ("Question: Cool tea\nAnswer:", "Boil.")],
        0,
    ),
    (
        "winogrande",
        {"sentence": "Jo helped Al because _ was ill.", "option1": "Jo", "option2": "Al", "answer": "2"},
        [("Jo helped Al because Jo", "was ill."), ("Jo helped Al because Al", "was ill.")],
        1,
    ),
    (
        "boolq",
        {"passage": "Ice is cold.", "question": "is ice cold", "answer": True},
        [
            ("Ice is cold.\nQuestion: is ice cold?\nAnswer:", "no"),
            ("Ice is cold.\nQuestion: is ice cold?\nAnswer:", "yes"),
        ],
        1,
    ),
    (
        "copa",
        {
            "premise": "It rained.",
            "choice1": "The street got wet.",
            "choice2": "I slept.",
            "question": "effect",
            "label": 0,
        },
        [("It rained therefore", "the street got wet."), ("It rained therefore", "i slept.")],
        0,
    ),
    (
        "sciq",
        {
            "question": "Cold?",
            "support": " Water freezes.",
            "distractor1": "a",
            "distractor2": "b",
            "distractor3": "c",
            "correct_answer": "ice",
        },
        [("Water freezes.\nQuestion: Cold?\nAnswer:", text) for text in ("a", "b", "c", "ice")],
        3,
    ),
    (
        "truthfulqa_mc1",
        {"question": "Cold?", "mc1_targets": {"choices": ["ice", "fire"], "labels": [1, 0]}},
        [("Q: Cold?\nA:", "ice"), ("Q: Cold?\nA:", "fire")],
        0,
    ),
    (
        "truthfulqa_mc1",
        {"question": "Cold?", "mc1_targets": {"fire": 0, "ice": 1}},
        [("Q: Cold?\nA:", "fire"), ("Q: Cold?\nA:", "ice")],
        1,
    ),
    (
        "mmlu",
        {"question": " 2+2? ", "A": "3", "B": "4", "C": "5", "D": "6", "answer": "B"},
        [(MMLU, letter) for letter in "ABCD"],
        1,
    ),
    (
        "mmlu_choices",
        {"question": "2+2?", "subject": "sums", "choices": ["3", "4", "5", "6"], "answer": 1},
        [(MMLU, letter) for letter in "ABCD"],
        1,
    ),
    (
        "mmlu_pro",
        {"question": "2+2?", "category": "sums", "options": ["3", "4", "5", "6"], "answer": "B", "answer_index": 1},
        [(MMLU, letter) for letter in "ABCD"],
        1,
    ),
    (
        "generic",
        {"question": "Cold?", "choices": ["ice", "fire"], "answer": "A"},
        [("Question: Cold?\nAnswer:", "ice"), ("Question: Cold?\nAnswer:", "fire")],
        0,
    ),
    (
        "generic",
        {"prompt": "Cold is", "choices": ["ice", "fire"], "answer": "fire"},
        [("Cold is", "ice"), ("Cold is", "fire")],
        1,
    ),
]


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


@pytest.mark.parametrize(("kind", "row", "expected", "right"), ROWS)
def test_each_format_is_found_by_its_fields_and_read(
    tmp_path: Path, kind: str, row: dict[str, Any], expected: list[tuple[str, str]], right: int
) -> None:
    found, (question,) = read_benchmark(write(tmp_path / "b.jsonl", row))
    assert found == kind and question.right == right
    assert [(choice.context, choice.text) for choice in question.choices] == expected


def test_files_of_every_kind(tmp_path: Path) -> None:
    row = {"question": "2+2?", "A": "3", "B": "4", "C": "5", "D": "6", "answer": "B"}
    (tmp_path / "b.json").write_text(json.dumps([row]))
    (tmp_path / "bare.csv").write_bytes(b'2+2?,3,4,5,6,B\r\n"2,5?",3,4,5,6,A\r\n')  # as MMLU's own
    (tmp_path / "named.csv").write_text("question,A,B,C,D,answer\n2+2?,3,4,5,6,B\n")
    (wanted,) = read_benchmark(tmp_path / "b.json")[1]
    assert read_benchmark(tmp_path / "named.csv") == ("mmlu", [wanted])
    kind, questions = read_benchmark(tmp_path / "bare.csv")
    assert kind == "mmlu" and questions[0] == wanted and questions[1].right == 0
    assert len(read_benchmark(tmp_path / "bare.csv", limit=1)[1]) == 1


def test_what_is_no_benchmark_is_said_with_its_row(tmp_path: Path) -> None:
    row = {"choices": ["a", "b"], "answer": "A", "question": "q"}
    cases: list[tuple[tuple[object, ...], str]] = [
        ((row, {**row, "answer": "Z"}), "row 2: not a row of generic"),
        ((row, {**row, "answer": 2}), "row 2: 2 choices, the right one is 2"),
        ((row, {**row, "answer": -1}), "row 2: 2 choices, the right one is -1"),
        ((row, {"question": "q"}), "row 2: not a row of generic: KeyError 'choices'"),
        (({"text": "a"},), "of no known format"),
        ((["a"],), "expected one JSON object a line"),
    ]
    for rows, said in cases:
        with pytest.raises(InputError, match=said):
            read_benchmark(write(tmp_path / "b.jsonl", *rows))
    with pytest.raises(UnknownName, match="--format"):
        read_benchmark(write(tmp_path / "b.jsonl", row), "helaswag")
    with pytest.raises(InputError, match="row 1: not a row of hellaswag: ValueError"):  # its hidden labels are empty
        read_benchmark(write(tmp_path / "b.jsonl", {"ctx": "a", "endings": ["b", "c"], "label": ""}))
    (tmp_path / "b.csv").write_text('a,"b\n')
    with pytest.raises(InputError, match="expected CSV"):
        read_benchmark(tmp_path / "b.csv")
    with pytest.raises(InputError, match="expected a benchmark"):
        read_benchmark(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="no rows"):
        read_benchmark(write(tmp_path / "b.json", []))


def ask(name: str) -> ChoiceQuestion:
    return ChoiceQuestion(name, (ScoredChoice(f"Q{name}:", "yes"), ScoredChoice(f"Q{name}:", "no")), 1)


def test_worked_examples_never_hold_the_question_itself() -> None:
    questions = [ask(str(number)) for number in range(12)]
    shown = add_examples(questions, questions, 3, 7)
    for before, after in zip(questions, shown, strict=True):
        *examples, last = after.choices[0].context.split("\n\n")
        assert last == before.choices[0].context and len(set(examples)) == 3
        assert before.example not in examples and all(example.endswith(": no") for example in examples)
    assert shown == add_examples(questions, questions, 3, 7) != add_examples(questions, questions, 3, 8)
    assert add_examples(questions, questions, 0, 7) == questions
    with pytest.raises(InputError, match="--shots 12"):
        add_examples(questions, questions, 12, 7)
    with pytest.raises(InputError, match="are the same"):
        add_examples([ask("1")], [ask("1")] * 9, 2, 7)


def test_shares_by_the_sum_and_by_the_characters() -> None:
    """The short choice is likelier as a whole, the long one a character."""
    rows = [
        ChoiceRow(id="a", right=1, group="x", log_probabilities=(-4.0, -6.0), lengths=(2, 6)),
        ChoiceRow(id="b", right=0, group="y", log_probabilities=(-1.0, -6.0), lengths=(1, 2)),
        ChoiceRow(id="c", right=0, group="y", error="503"),
    ]
    assert [(row.picked, row.picked_by_length) for row in rows[:2]] == [(0, 1), (0, 0)]
    found = summarise_choices("m", "generic", 0, rows, "b", 0)
    values = {(share.metric, share.group): (share.value, share.n) for share in found.shares}
    assert values == {
        ("acc", ""): (0.5, 2), ("acc_norm", ""): (1.0, 2), ("acc", "x"): (0.0, 1), ("acc_norm", "x"): (1.0, 1),
        ("acc", "y"): (1.0, 1), ("acc_norm", "y"): (1.0, 1),
    }  # fmt: skip
    assert found.errored == ("c: 503",) and found.questions == 3


def test_a_choice_of_one_character_is_weighed_by_that_one() -> None:
    row = ChoiceRow(id="a", right=1, log_probabilities=(-1.5, -2.0), lengths=(1, 2))
    assert (row.picked, row.picked_by_length) == (0, 1)  # -1.5 against -1.0 a character
