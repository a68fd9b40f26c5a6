"""Taking fields without losing any, and reading what chat upstreams answer.

Field names: OpenAI API reference, "The chat completion object"; Mistral's and OpenRouter's for thoughts.
"""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.chat import (
    FieldReader,
    TokenCounts,
    content_text,
    first_choice,
    is_count,
    join_text_parts,
    parse_arguments,
    reasoning_text,
    salvage_object,
    token_counts,
)


def refused(act: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.status == 400
    return caught.value.message, caught.value.param, caught.value.code


def test_a_null_is_as_if_it_were_absent() -> None:
    fields = FieldReader({"a": None, "b": 0}, "them")
    assert fields.take_field("a") is None and fields.take_field("b") == 0 and fields.take_field("b") is None
    assert FieldReader({"a": None, "b": 0}, "them").copy_fields(("a", "b", "c")) == {"b": 0}
    FieldReader({"a": None}, "them").check_all_taken()


def test_what_is_no_object_is_named_without_the_dot() -> None:
    assert refused(lambda: FieldReader([], "them", "a.0.")) == ("'a.0' must be an object.", "a.0", None)


@pytest.mark.parametrize(
    ("value", "dropped"), [(1, True), (0, False), ("", True), (True, True), (False, False), ([], False), ({}, False),
                           (None, False), ([0], True)],
)  # fmt: skip
def test_what_says_nothing_is_dropped_without_a_note(value: Any, dropped: bool) -> None:
    notes: list[str] = []
    fields = FieldReader({"f": value}, "them", "a.", notes)
    fields.drop(("f", "absent"))
    fields.check_all_taken()
    assert notes == (["a.f"] if dropped else [])


def test_notes_of_all_readers_of_a_request_are_one_list() -> None:
    fields = FieldReader({"a": [{"b": {}}]}, "them")
    inner = fields.readers("a")[0].required_object("b")
    inner.drop_self()
    assert fields.dropped == ["a.0.b"] and FieldReader({}, "them").dropped == []


def test_mistakes_are_named_with_their_path() -> None:
    fields = FieldReader({"t": 1, "k": "x", "e": 2, "l": "x", "left": 1}, "an upstream", "at.")
    assert refused(lambda: fields.text("t")) == ("'at.t' must be a string.", "at.t", None)
    message, param, code = refused(lambda: fields.one_of("k", ("a", "b")))
    assert message == (
        "'at.k' is not supported by an upstream with the value 'x' (supported: a, b); "
        "remove it, or use a model whose upstream supports this API."
    )
    assert (param, code) == ("at.k", "untranslatable_field")
    assert refused(lambda: fields.expect("e", 1))[0].startswith(
        "'at.e' is not supported by an upstream with a value other than 1; "
    )
    assert refused(lambda: fields.objects("l")) == ("'at.l' must be a list.", "at.l", None)
    assert refused(lambda: fields.list(1)) == ("'at.content' must be a list.", "at.content", None)
    assert refused(fields.check_all_taken)[0].startswith("'at.left' is not supported by an upstream; remove it")


def test_a_long_value_is_told_in_part() -> None:
    message, _, _ = refused(lambda: FieldReader({"k": "x" * 101}, "them").one_of("k", ("a",)))
    assert f"'{'x' * 99}…'" in message


def test_a_field_that_may_have_one_value() -> None:
    for value in (None, 1):
        fields = FieldReader({"n": value}, "them")
        fields.expect("n", 1)
        fields.check_all_taken()


def test_objects_that_may_be_absent() -> None:
    fields = FieldReader({"o": {"x": 1}}, "them")
    assert fields.object("none") is None and fields.readers("none") == [] and fields.objects("none") == []
    inner = fields.object("o")
    assert inner is not None and inner.at == "o." and inner.take_field("x") == 1
    assert refused(lambda: fields.required_object("gone")) == ("'gone' must be an object.", "gone", None)


def test_texts_are_joined() -> None:
    parts = [{"type": "text", "text": "a", "citations": [], "cache_control": {}}, {"type": "text", "text": "b"}]
    assert join_text_parts("plain", "c", ("text",)) == "plain"
    assert join_text_parts(parts, "c", ("text",), ("cache_control",)) == "ab"
    assert refused(lambda: join_text_parts(parts, "c", ("text",)))[1] == "c.0.cache_control"
    assert refused(lambda: join_text_parts([{"type": "image"}], "c", ("text",)))[1] == "c.0.type"
    assert refused(lambda: join_text_parts(7, "c", ("text",))) == ("'c' must be a string or a list.", "c", None)


def test_counts_are_written_as_openai_does() -> None:
    assert TokenCounts(9, 4, cached=3, reasoning=2, written=1).as_usage() == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert TokenCounts() == TokenCounts(0, 0, 0, 0, 0)


def test_counts_are_read_as_openai_writes_them() -> None:
    counts = TokenCounts(9, 4, cached=3, reasoning=2, written=1)
    assert token_counts(counts.as_usage()) == counts
    assert token_counts(None) == token_counts([]) == TokenCounts()
    assert token_counts({"prompt_tokens": True, "completion_tokens": -1}) == TokenCounts()
    assert token_counts({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2.5}}) == TokenCounts(5)


def test_a_count_is_a_whole_number_that_one_request_can_use() -> None:
    assert [is_count(value) for value in (0, 1_280_000_000)] == [True, True]
    assert not any(is_count(value) for value in (True, 1.0, "1", None, -1, 1_280_000_001))


@pytest.mark.parametrize("choices", [None, {}, [], ["x"], [None, {}]])
def test_an_answer_without_a_choice_is_the_upstreams_failure(choices: Any) -> None:
    with pytest.raises(Refused) as caught:
        first_choice({"choices": choices})
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")
    assert caught.value.message == "The upstream's answer has no choices."


def test_the_first_choice_counts() -> None:
    assert first_choice({"choices": [{"index": 0}, {"index": 1}]}) == {"index": 0}


@pytest.mark.parametrize(
    ("content", "text", "thought"),
    [
        ("Yes.", "Yes.", ""),
        (None, "", ""),
        (7, "", ""),
        (["a", {"type": "text", "text": "b"}, 7], "ab", ""),
        ([{"type": "output_text", "text": "c"}, {"type": "image", "text": "d"}], "c", ""),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "e"}],
            "e",
            "hm",
        ),
        ([{"type": "reasoning", "reasoning": "so"}, {"type": "thinking", "text": "then"}], "", "sothen"),
        ([{"type": "text", "text": None}], "", ""),
        ([{"type": "thinking", "thinking": "a string"}, {"type": "thinking", "thinking": ["x"]}], "", "a stringx"),
    ],
)
def test_texts_and_thoughts_of_every_shape(content: Any, text: str, thought: str) -> None:
    assert content_text({"content": content}) == text
    assert reasoning_text({"content": content}) == thought


def test_thoughts_in_fields_of_their_own_go_before() -> None:
    parts = [{"type": "thinking", "thinking": "part"}]
    assert reasoning_text({"reasoning_content": "a", "reasoning": "b", "content": parts}) == "a"
    assert reasoning_text({"reasoning_content": "", "reasoning": "b", "content": parts}) == "b"
    assert reasoning_text({"reasoning": {"effort": 1}, "content": parts}) == "part"
    assert reasoning_text({"content": "text"}) == ""


def test_arguments_are_a_json_object() -> None:
    assert parse_arguments('{"a":1}') == {"a": 1}
    assert parse_arguments("") == parse_arguments(None) == {}
    for text, words in (("[1]", "not a JSON object"), ("{", "not valid JSON"), (7, "not valid JSON")):
        with pytest.raises(Refused, match=words) as caught:
            parse_arguments(text)
        assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")


def test_arguments_of_an_answer_that_was_cut_off_come_as_far_as_they_go() -> None:
    assert parse_arguments('{"a":1,"b', cut_off=True) == {"a": 1}
    assert parse_arguments('{"a":1}', cut_off=True) == {"a": 1}
    with pytest.raises(Refused, match="not valid JSON"):
        parse_arguments(7, cut_off=True)
    assert parse_arguments("[1]", cut_off=True) == {} and parse_arguments("null") == {}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["}" * 200_000, '{"a":' * 40_000 + "]" * 40_000, '"' * 200_000])
def test_s08_arguments_that_are_no_json_at_all_take_no_long_time(text: str) -> None:
    """Each of these letters is an end that was tried, and each try read all before it."""
    assert parse_arguments(text, cut_off=True) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x\\', {"a": "x"}),
        ('{"a": "x\\u00', {"a": "x"}),
        ('{"a": "\\ud83d', {"a": ""}),
        ('{"a": "x\\\\', {"a": "x\\"}),
        ('{"a": "x\\"y', {"a": 'x"y'}),
        ('{"a": "{[', {"a": "{["}),
        ('{"a": {"b": [1]}, "c', {"a": {"b": [1]}}),
        ('{"a": [{"b": 1}', {"a": [{"b": 1}]}),
        ('{"a": 1}', {"a": 1}),
        ('}{"a": 1', {}),
        ('"text', {}),
        ("[", {}),
    ],
)
def test_the_beginning_of_an_object_is_an_object(text: str, value: dict[str, Any]) -> None:
    assert salvage_object(text) == value
