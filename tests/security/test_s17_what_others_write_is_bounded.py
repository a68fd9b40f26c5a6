"""S17: an answer, a schema or a file of any shape takes time in proportion to its length, or is refused with words."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from steward.configuration.yaml_lines import MOST_VALUES, read_mapping
from steward.core.errors import InputError
from steward.evaluation.answer_filters import filter_answer
from steward.evaluation.choices import extract_letter, shorten_runs
from steward.evaluation.judge import _VERDICT
from steward.evaluation.metrics import GRADED, MEASURED, METRICS, make_metric
from steward.evaluation.metrics.graded import _GRADE, _LINE
from steward.evaluation.metrics.overlap import MOST_TER_WORDS, count_common_subsequence
from steward.monitoring.rule_file import read_rules

LONG = {
    "newlines": "\n" * 16_000,
    "blanks": " " * 16_000,
    "words": "a " * 8_000,
    "sentences": "A. " * 5_000,
    "fences": "```\n" * 4_000,
    "tags": "<think>" * 2_300,
    "boxes": "\\boxed{" * 2_300,
    "numbers": "1," * 8_000,
    "brackets": "[" * 16_000,
    "objects": '{"a":' * 3_000,
    "stated": "the answer is " * 1_200,
    "stated and blanks": ("the answer is" + " " * 1_000) * 16,
    "choices": "choice" + "\n*" * 8_000,
    "digits": "1" * 16_000,
    "superscripts": "⁰" * 16_000,
    "tildes": "~" * 16_000,
}
METRICS_OF_TEXT = [name for name in METRICS if name not in GRADED | MEASURED | {"regex"}]  # the suite writes that one


@pytest.mark.parametrize("metric", METRICS_OF_TEXT)
def test_no_metric_takes_long_for_any_answer(metric: str) -> None:
    """The slowest took 8.8 s for one answer of 16,000 characters; all of these take less than 2 s each."""
    for name, text in LONG.items():
        for reference in (text, "hello"):
            made, started = make_metric(metric), time.process_time()
            try:
                if not made.screen(text, [reference]):
                    made.table([text], [[reference]])
            except InputError:
                pass  # not a text that this metric reads
            assert time.process_time() - started < 5.0, name


@pytest.mark.parametrize("text", LONG)
@pytest.mark.timeout(30)
def test_no_reply_of_a_judge_and_no_filter_takes_long(text: str) -> None:
    """16,000 newlines took each of the judges' patterns minutes."""
    started = time.process_time()
    for pattern in (_VERDICT, _GRADE, _LINE):
        pattern.findall(LONG[text])
    filter_answer(LONG[text], ["thoughts", "code", "choice"])
    assert time.process_time() - started < 5.0


def test_judges_may_write_marks_around_what_they_say() -> None:
    assert _VERDICT.findall("**Final Verdict: B**\nVerdict:\nA\nverdict = tie.") == ["B", "A", "tie"]
    assert _GRADE.findall("> Grade: **4 / 5**.\nScore = -1\nRating: --2") == [("4", "5"), ("-1", ""), ("-2", "")]
    assert _LINE.findall("1: yes\n- 2. **no**.\n3 yes maybe") == [("1", "yes"), ("2", "no")]


def test_marks_in_a_row_change_no_choice() -> None:
    for run in ("\n" * 16_000, " *" * 8_000, "\n```" * 4_000):
        assert extract_letter(f"The answer is{run}B") == extract_letter("The answer is B") == "B"
        assert extract_letter(f"Let me see.{run}\nB) Paris{run}") == "B"
    assert shorten_runs("a" + "-" * 41 + "b") == "a" + "-" * 20 + " " + "-" * 20 + "b"
    assert shorten_runs("a" + "-" * 40 + "b") == "a" + "-" * 40 + "b"


def test_rouge_l_is_what_rouge_score_says() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    pairs = [
        ("the cat sat on the mat", "the mat sat on the cat"),
        ("police killed the gunman", "the gunman kill police"),  # Lin 2004, section 3.1
        ("a b c", "d e f"),
        ("", "a"),
        ("x " * 70 + "y", "y " + "x " * 65),
    ]
    for reference, prediction in pairs:
        expected = RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure
        assert make_metric("rougeL").table([prediction], [[reference]])[0][0] == pytest.approx(expected)
    assert count_common_subsequence(list("ABCBDAB"), list("BDCABA")) == 4  # Cormen et al., figure 15.8


def test_ter_says_how_long_a_text_it_compares() -> None:
    metric = make_metric("ter")
    assert metric.screen("a " * MOST_TER_WORDS, ["a"]) == ""
    assert "at most 2,000" in metric.screen("a", ["a " * (MOST_TER_WORDS + 1)])


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        {"not": {"$ref": "#"}},
        {"if": {"$ref": "#"}, "then": {}},
    ],
)
def test_a_schema_that_refers_to_itself_without_end_is_refused(schema: Any) -> None:
    with pytest.raises(InputError, match="refers to itself without end"):
        make_metric("json_schema").screen("{}", [schema])


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(250):
        schema = {"not": schema}
    with pytest.raises(InputError, match="nested too deeply"):
        make_metric("json_schema").screen("{}", [schema])


def test_a_tree_may_be_recursive_and_an_answer_deep() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    metric = make_metric("json_schema")
    assert metric.screen("{}", [tree]) == ""
    deep = '{"child":' * 50 + "{}" + "}" * 50
    values = metric.table(['{"child":{"child":{}}}', deep, "[1]"], [[tree]] * 3)[:, 0]
    assert values[0] == 1.0 and values[1] == 1.0 and values[2] == 0.0
    assert json.loads('{"child":{}}')


def expand(levels: int, line: str) -> str:
    names = "abcdefghijklmnop"
    rows = [f"{names[0]}: &{names[0]} {{x: 1}}"]
    rows += [f"{names[n]}: &{names[n]}{line.format(', '.join([f'*{names[n - 1]}'] * 9))}" for n in range(1, levels)]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("read", [read_mapping, read_rules])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (expand(12, " [{}]"), "more than 100,000 values"),
        (expand(12, "\n  <<: [{}]"), "more than 100,000 values"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("a: &a\n  b: *a\n", "nested too deeply"),
        ("a: " + "[" * 5_000 + "]" * 5_000 + "\n", "nested too deeply"),
        ("a: " + "1" * 100_000 + "\n", "cannot be read"),
        ("a: 9999-99-99\n", "cannot be read"),
        ("a: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
    ],
)
def test_a_file_that_means_more_than_it_says_is_refused(tmp_path: Path, read: Any, text: str, why: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(InputError, match=why):
        read(tmp_path / "file.yaml")


def test_aliases_that_stand_for_little_are_read(tmp_path: Path) -> None:
    assert MOST_VALUES == 100_000
    (tmp_path / "file.yaml").write_text("a: &a {x: 1}\nb: [*a, *a]\nc:\n  <<: *a\n  y: 2\n")
    assert read_mapping(tmp_path / "file.yaml")[0] == {"a": {"x": 1}, "b": [{"x": 1}] * 2, "c": {"x": 1, "y": 2}}
