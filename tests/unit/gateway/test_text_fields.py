import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.gateway import text_fields
from steward.gateway.text_fields import (
    JsonFragments,
    replace_arguments,
    replace_request_texts,
    replace_strings,
    replace_values,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def chunked(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


@given(TREES, st.booleans(), st.lists(st.integers(0, 10_000), max_size=20))
def test_every_chunking_of_every_json_stays_what_it_is(tree: object, escape_json: bool, cuts: list[int]) -> None:
    values = JsonFragments(lambda number, text, last: text)
    pieces = chunked(json.dumps(tree, ensure_ascii=escape_json), cuts)
    out = "".join([values.feed(piece) for piece in pieces]) + values.feed("", last=True)
    assert json.loads(out) == tree


@given(st.lists(st.text()), st.lists(st.integers(0, 10_000), max_size=20))
def test_values_are_seen_whole_and_without_escapes(texts: list[str], cuts: list[int]) -> None:
    seen: dict[int, str] = {}

    def emit(number: int, piece: str, last: bool) -> str:
        seen[number] = seen.get(number, "") + piece
        return piece

    values = JsonFragments(emit)
    for piece in chunked(json.dumps(texts), cuts):
        values.feed(piece)
    assert list(seen.values()) == texts


@given(st.text(), st.lists(st.integers(0, 10_000), max_size=20))
def test_what_is_no_json_never_raises(text: str, cuts: list[int]) -> None:
    values = JsonFragments(lambda number, piece, last: piece)
    for piece in chunked(text, cuts):
        values.feed(piece)
    values.feed("", last=True)


def test_a_number_that_changes_becomes_a_string() -> None:
    assert replace_arguments('{"card": 4111, "ok": true}', lambda text: "<card>" if text == "4111" else text) == (
        '{"card": "<card>", "ok": true}'
    )
    replace = {"4111": "<card>", "1.5": "<height>", "true": "<wrong>", "null": "<wrong>"}
    tree = {"4111": [4111, 1.5, 2, True, None]}
    assert replace_values(tree, lambda text: replace.get(text, text)) == {
        "<card>": ["<card>", "<height>", 2, True, None]
    }


def test_what_is_no_json_is_shown_as_it_stands() -> None:
    assert replace_arguments("call bob now", str.upper) == "CALL BOB NOW"
    assert replace_arguments('{"a": "cut o', str.upper) == '{"A": "CUT O'


def test_half_a_surrogate_pair_is_no_character() -> None:
    assert replace_arguments(r'["\ud83dx", "\ud83e\udd9c"]', str) == '["\ufffdx", "🦜"]'


def test_names_and_references_are_no_texts() -> None:
    block = {"type": "image", "source": {"data": "aGk=", "media_type": "m"}, "title": "t"}
    document = {"type": "text", "media_type": "text/plain", "data": "d"}
    assert replace_strings([block, document], str.upper) == [{**block, "title": "T"}, {**document, "data": "D"}]


def test_of_an_objects_own_numbers_only_those_of_a_call_are_replaced() -> None:
    def mask(text: str) -> str:
        return text.replace("555", "[number]")

    value = {"usage": {"n": 555, "text": "555"}, "input": {"n": 555, "text": "555"}, "title": "555"}
    assert replace_strings(value, mask) == {
        "usage": {"n": 555, "text": "[number]"}, "input": {"n": "[number]", "text": "[number]"}, "title": "[number]",
    }  # fmt: skip


def test_what_is_known_at_one_look_is_what_the_patterns_say() -> None:
    assert all(text_fields._WORD.fullmatch(word) for word in text_fields._USUAL_WORDS)
    assert not any(text_fields._TELLING.search(name) for name in text_fields._USUAL_NAMES)


def mask_request(body: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """What of a request is left when every text in it is masked, and what nobody could read."""
    unread = replace_request_texts(body, lambda text: "<text>")
    return body, unread


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("role", "user", "user"),
        ("type", "input_text", "input_text"),
        ("media_type", "image/png", "image/png"),
        ("role", "bob@example.com", "<text>"),
        ("type", "write to bob", "<text>"),
        ("url", "bob", "<text>"),  # one word is a word of the protocol's only where such a word stands
        ("url", "https://example.com/bob", "<text>"),
        ("arguments", "bob", "<text>"),
        ("arguments", '{"to": "bob"}', '{"<text>": "<text>"}'),
        ("data", "", "<text>"),
        ("data", "to bob@example.com", "<text>"),
        ("note", "text", "<text>"),
    ],
)
def test_whatever_a_client_can_write_is_read(key: str, value: str, left: str) -> None:
    body, unread = mask_request({"messages": [{key: value}]})
    assert (body["messages"][0][key].replace('":"', '": "'), unread) == (left, frozenset())


@pytest.mark.parametrize(
    ("key", "value"),
    [("data", "iVBORw0K"), ("url", "data:image/png;base64,iVBORw0K"), ("image_url", "DATA:image/png;base64,iVBORw0K")],
)
def test_what_nobody_can_read_as_text_is_named(key: str, value: str) -> None:
    assert mask_request({"messages": [{key: value}]}) == ({"messages": [{key: value}]}, frozenset({key}))
