from typing import Any

import pytest

from steward.data.bad_row import BadRow, describe_value
from steward.data.messages import convert_messages, is_payload, list_media, restore_message

IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/cat.png"}}


def text(words: str, **rest: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **rest}


def keep(content: Any) -> dict[str, Any]:
    converted = convert_messages([{"role": "user", "content": content}], "messages", {})
    assert not isinstance(converted, BadRow)
    return converted[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([text("What is "), IMAGE, text("this?")], "What is this?"),
        ([IMAGE, text("Look")], "Look"),
        ([IMAGE], ""),
        ([{"type": "reasoning", "text": "hm"}, text("Look")], "Look"),  # a text of another kind is no content
        ([{"type": "text", "text": 5}, text("Look")], "Look"),
        ([{"type": "image"}, text("Look", cache_control={"type": "ephemeral"})], "Look"),
        (
            [
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                {"type": "input_text", "text": "?"},
            ],
            "?",
        ),
        ("plain", "plain"),
        (None, None),
    ],
)
def test_parts_come_back_as_they_were(content: Any, words: str | None) -> None:
    message = keep(content)
    assert message["content"] == words
    assert restore_message(message) == {"role": "user", "content": content}


def test_a_text_of_another_length_stands_where_the_first_was() -> None:
    message = keep([IMAGE, text("call 555-1234"), IMAGE, text(" now")])
    restored = restore_message({**message, "content": "call [PHONE] now"})
    assert restored["content"] == [IMAGE, text("call [PHONE] now"), IMAGE]


def test_plain_texts_become_one_text() -> None:
    assert keep([text("a"), text("b"), "c"]) == {"role": "user", "content": "abc", "more": None}


@pytest.mark.parametrize("content", [5, [5], [{"text": "no type"}], {"type": "text"}])
def test_other_content_is_refused(content: Any) -> None:
    found = convert_messages([{"role": "user", "content": content}], "messages", {})
    assert isinstance(found, BadRow) and (found.rule, found.field) == ("not_text", "messages[0].content")


def test_roles_of_the_user_mean_what_he_says() -> None:
    given = [{"role": "narrator", "content": "Once"}]
    assert convert_messages(given, "m", {"narrator": "assistant"}) == [
        {"role": "assistant", "content": "Once", "more": None}
    ]
    found = convert_messages(given, "chosen", {})
    assert isinstance(found, BadRow) and found.field == "chosen[0].role" and "'narrator'" in found.seen


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([], "no_messages"),
        (None, "no_messages"),
        ("x", "no_messages"),
        (["x"], "not_a_message"),
        ([{}], "unknown_role"),
    ],
)
def test_what_is_no_list_of_messages_is_refused(value: Any, rule: str) -> None:
    found = convert_messages(value, "messages", {})
    assert isinstance(found, BadRow) and found.rule == rule


def test_media_are_the_parts_that_are_no_text() -> None:
    assert list_media(keep([text("a"), IMAGE])["more"]) == [IMAGE]
    assert list_media(None) == list_media('{"name":"x"}') == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("data:image/png;base64,iVBO", True),
        ("A" * 199, False),
        ("A" * 200, True),
        ("A" * 200 + "==", True),
        ("A" * 200 + " b", False),
        ("https://x.example/" + "a" * 300, False),
    ],
)
def test_payloads_are_told_from_texts(value: str, expected: bool) -> None:
    assert is_payload(value) is expected


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "null"), ("", "a text"), (1, "a number"), (0.5, "a number"), (True, "true or false"), ([], "a list"),
     ({}, "an object"), (b"", "a bytes")],
)  # fmt: skip
def test_values_are_described_in_jsons_words(value: Any, words: str) -> None:
    assert describe_value(value) == words
