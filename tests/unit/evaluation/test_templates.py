"""Templates: what is a field, what is a brace, and what is refused before anything is asked."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.evaluation.templates import check_placeholders, fill, list_fields, look_up

ROW = {"question": "Why?", "my_q": "x", "meta": {"q": "inner", "n": {"deep": 7}}, "options": ["a", "b"], "answer": "42"}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{question}", "Why?"),
        ("{ question }", "Why?"),
        ("{meta.q} {meta.n.deep} {options.1}", "inner 7 b"),
        ("{{answer}}", "{answer}"),
        (r"\boxed{{answer}}", r"\boxed{answer}"),
        ('{"a": 1} {} {1, 2}', '{"a": 1} {} {1, 2}'),
        ("{{{question}}}", "{Why?}"),
        ("a }} b {{", "a } b {"),
    ],
)
def test_e01_fields_braces_and_json(template: str, filled: str) -> None:
    assert fill(template, ROW, "s.yaml: item '1'") == filled


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ question }}", r"another template language; write \{question\}"),
        ("{my-q}", "no field 'my-q'; did you mean 'my_q'"),
        ("{meta.k}", "no field 'meta.k'; did you mean 'meta.q'"),
        ("{quesion}", "did you mean 'question'"),
        ("{options.2}", "no field 'options.2'"),
        (r"Put it in \boxed{answer}", r"looks like LaTeX.*\{\{answer\}\}"),
    ],
)
def test_e01_what_is_not_a_field_is_named(template: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fill(template, ROW, "s.yaml: item '1'")


def test_nothing_in_a_field_is_an_error() -> None:
    with pytest.raises(InputError, match="'a' is null"):
        look_up({"a": None}, "a", "item '1'")
    assert look_up({"a.b": 1, "a": {"b": 2}}, "a.b", "") == 1


def test_fields_are_listed_in_order_without_escaped_ones() -> None:
    assert list_fields("") == [] and list_fields('{b} {{a}} {"x": 1} {meta.q} { c }') == ["b", "meta.q", "c"]


def test_what_looks_like_latex_is_shown_with_its_command() -> None:
    with pytest.raises(InputError, match=r": '\\\\boxed\{answer\}' looks like LaTeX"):
        fill(r"Put it in \boxed{answer}", ROW, "item '1'")


def test_a_known_name_with_blanks_needs_no_suggestion_and_an_unknown_one_has_it() -> None:
    with pytest.raises(InputError, match=r"write \{question\} for the field$"):
        fill("{{ question }}", ROW, "item '1'")
    with pytest.raises(InputError, match=r"write \{quesion\} for the field; did you mean 'question'\?$"):
        fill("{{ quesion }}", ROW, "item '1'")


@pytest.mark.parametrize(
    "template",
    [
        "{question!r}", "{question:>10}", "{ question | upper }", "{{ question|trim }}", "{meta[q]}", "{meta['q']}",
        "{% if question %}", "{\n question\n}", "Q: {options.0} {meta.q|trim}",
    ],
)  # fmt: skip
def test_e01_a_field_in_the_form_of_another_language_is_refused(template: str) -> None:
    """Python's format specifications (PEP 3101), Jinja's filters and statements."""
    with pytest.raises(InputError, match=r"another template language and would be sent as it stands; write \{"):
        check_placeholders([template], ROW, "s.yaml")


@pytest.mark.parametrize(
    "template", ["$question", "%(question)s", "<question>", "<<question>>", "[[ question ]]", "{{question}}"]
)
def test_e01_other_placeholders_are_refused_where_no_field_is_shown(template: str) -> None:
    with pytest.raises(InputError, match=r"write \{question\} for the field"):
        check_placeholders([template], ROW, "s.yaml")
    check_placeholders([template, "{question}"], ROW, "s.yaml")


@pytest.mark.parametrize(
    "template",
    [
        '{"question": "{question}"}',
        "{question: <text>}",
        "{x|y} {question}",
        "<b>{question}</b>",
        "$5 for <what>",
        "{0!r}",
    ],
)
def test_e01_what_names_no_field_or_is_json_stands(template: str) -> None:
    check_placeholders([template], ROW, "s.yaml")


@pytest.mark.parametrize(
    "template",
    [
        "{question.upper()}", "{question or 'x'}", "{question if question else ''}", "<%= question %>",
        "{{#question}}x{{/question}}", "{q} {{#question}}x{{/question}}",
    ],
)  # fmt: skip
def test_e01_calls_conditions_and_sections_of_other_languages(template: str) -> None:
    with pytest.raises(InputError, match=r"write \{question\} for the field"):
        check_placeholders([template], {"question": "Q", "q": "R"}, "d")


@pytest.mark.parametrize("template", [r"as \boxed{{question}}", "as {answer: your answer}", '{"or": "{question}"}'])
def test_e01_braces_that_the_model_should_see(template: str) -> None:
    check_placeholders([template], {"question": "Q", "answer": "A"}, "d")


def test_e01_lists_and_objects_are_shown_as_json() -> None:
    assert (
        fill("{a} {a.b}", {"a": {"b": ["x", "é", None, True]}}, "d")
        == '{"b": ["x", "é", null, true]} ["x", "é", null, true]'
    )


def test_e01_an_error_shows_what_looks_like_latex() -> None:
    with pytest.raises(InputError, match=r"boxed\{answer\}' looks like LaTeX"):
        fill(r"\boxed{answer}", {"answer": "A"}, "d")


@pytest.mark.parametrize("template", ["What is {q", "What is q}?", "{q\nplease}", "{a} or {q", "first {meta.kind"])
def test_e1_one_brace_of_two_is_told(template: str) -> None:
    with pytest.raises(InputError, match="has one brace of two; write"):
        check_placeholders([template], {"q": 1, "a": 2, "meta": {"kind": "x"}}, "s.yaml")


@pytest.mark.parametrize(
    "template", ["{q}", "{a} and {q}", "{{q}} {a}", 'JSON: {\n"x": 1\n} {q}', "a smile :} {q}", "{x"]
)
def test_e1_braces_in_pairs_and_of_no_field_are_left(template: str) -> None:
    check_placeholders([template], {"q": 1, "a": 2}, "s.yaml")
