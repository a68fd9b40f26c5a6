from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError, UnknownName
from steward.data.stages.dedupe_exact import DedupeExact, normalise_url


def test_the_first_stays_and_the_others_name_it() -> None:
    out, entries = ran(DedupeExact(), [batch(["a", "b"]), batch(["a", "c", "b"], first=2)])
    assert out["id"].to_pylist() == ["r0", "r1", "r3"]
    assert [(entry.id, entry.action, entry.duplicate_of) for entry in entries] == [
        ("r2", "merge", "r0"),
        ("r4", "merge", "r1"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("a  b\n", "a b", True), ("é", "e\u0301", True), ("A", "a", False), ("a.", "a", False), ("ab", "a b", False)],
)
def test_white_space_and_composition_do_not_count_but_case_and_punctuation_do(one: str, other: str, same: bool) -> None:
    assert len(ran(DedupeExact(), [batch([one, other])])[0]) == (1 if same else 2)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from("abcd"), max_size=12), st.integers(1, 5))
def test_any_cut_into_batches_gives_what_a_set_of_strings_gives(texts: list[str], size: int) -> None:
    out, _ = ran(DedupeExact(), cut(batch(texts), size))
    assert out["text"].to_pylist() == list(dict.fromkeys(texts))


def test_chats_are_compared_by_their_contents() -> None:
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    whole = pa.RecordBatch.from_pylist([{"row": n, "id": str(n), "messages": chat} for n in range(2)])
    assert len(ran(DedupeExact(), [whole])[0]) == 1


@pytest.mark.parametrize("blank", ["\t", "\n", "\v", "\f", "\r", "\x1c", "\x1f", "\u2028", "\xa0", "\x85"])
def test_every_kind_of_white_space_is_one(blank: str) -> None:
    assert len(ran(DedupeExact(), [batch([f"a{blank}b", "a b"])])[0]) == 1


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ((), ["Room 12!", "room 12!", "Room 12", "Room 7!"]),
        (("case",), ["Room 12!", "Room 12", "Room 7!"]),
        (("punctuation",), ["Room 12!", "room 12!", "Room 7!"]),
        (("numbers",), ["Room 12!", "room 12!", "Room 12"]),
        (("case", "punctuation", "numbers"), ["Room 12!"]),
    ],
)
def test_what_is_ignored_makes_no_difference(ignore: Any, kept: list[str]) -> None:
    out, _ = ran(DedupeExact(ignore=ignore), [batch(["Room 12!", "room 12!", "Room 12", "Room 7!"])])
    assert out["text"].to_pylist() == kept


def test_rows_of_one_address_are_one() -> None:
    urls = ["https://www.example.com/a/?utm_source=x", "http://example.com/a#top", "example.com/a?b=1", None, None, ""]
    out, entries = ran(DedupeExact(url="url"), [batch(list("abcdef"), url=urls)])
    assert out["text"].to_pylist() == ["a", "c", "d", "e", "f"]
    assert [(entry.id, entry.rule, entry.duplicate_of) for entry in entries] == [("r1", "same_url", "r0")]
    with pytest.raises(UnknownName):
        DedupeExact(url="link").survey(batch(["a"], url=["b"]))
    with pytest.raises(InputError, match="one of them"):
        DedupeExact(url="url", ignore=("case",))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://WWW.Example.COM", "example.com"),
        ("https://example.com:8080/A/b/", "example.com:8080/A/b"),
        ("https://example.com:443/?b=2&a=1&b=1", "example.com?a=1&b=1&b=2"),
        ("example.com/a?fbclid=1&GCLID=2&ref=3", "example.com/a?ref=3"),
        ("example.com/a?x=", "example.com/a?x="),
        (" not an address ", "not an address"),
        ("http://[broken", "http://[broken"),
        ("http://a:port/", "http://a:port/"),
    ],
)
def test_addresses_lose_what_does_not_change_the_page(url: str, expected: str) -> None:
    assert normalise_url(url) == expected
