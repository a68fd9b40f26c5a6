"""A person in files: found as a word in any case, and gone with the whole line, row or item."""

from __future__ import annotations

import json

import pytest

from steward.core.errors import InputError
from steward.privacy.file_mentions import ERASED, FileMention, SplitText, make_name_pattern, split_text

HMAC = "0123456789abcdef0123456789abcdef"
ANNA = make_name_pattern("anna@x.org", [HMAC])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to anna@x.org.", True), ("ANNA@X.ORG", True), ("joanna@x.org", False), ("anna@x.organic", False),
        (f"subject={HMAC}", True), (f"{HMAC}0", False), ("nobody", False),
    ],
)  # fmt: skip
def test_a_name_is_a_word_of_its_own(text: str, found: bool) -> None:
    assert bool(ANNA.search(text)) is found


def test_a_name_is_found_as_json_writes_it() -> None:
    assert make_name_pattern('An "A" B', []).search(json.dumps('by An "A" B'))


@pytest.mark.parametrize(("name", "fine"), [("", False), (" ab ", False), ("abc", True)])
def test_a_name_that_would_be_found_everywhere_is_refused(name: str, fine: bool) -> None:
    if fine:
        assert make_name_pattern(name, [])
    else:
        with pytest.raises(InputError, match="expected 3 or more"):
            make_name_pattern(name, [])


def test_lines_go_whole_and_the_others_keep_their_bytes() -> None:
    split = split_text("one\r\nby anna@x.org\ntwo", "jsonl", ANNA)
    assert split == SplitText("one\r\ntwo", (FileMention(2, "by anna@x.org"),))
    assert "anna" not in repr(split) + repr(split.mentions)
    assert split_text("one\n", "txt", ANNA) == SplitText("one\n", ())


def test_rows_go_whole_with_the_lines_in_their_cells_and_the_head_stays() -> None:
    text = 'anna@x.org,b\n1,"x\ny anna@x.org"\n2,z\n'
    assert split_text(text, "csv", ANNA) == SplitText("anna@x.org,b\n2,z\n", (FileMention(1, '1,"x\ny anna@x.org"'),))
    assert split_text("a\tb\n1\tanna@x.org\n", "tsv", ANNA).kept == "a\tb\n"


def test_items_of_a_list_go_whole() -> None:
    text = '[{"a": 1}, {"a": "anna@x.org"}, 3]'
    split = split_text(text, "json", ANNA)
    assert split == SplitText('[{"a": 1},\n3]\n', (FileMention(2, '{"a": "anna@x.org"}'),))
    assert split_text("[ 1 ]", "json", ANNA) == SplitText("[ 1 ]", ())
    with pytest.raises(ValueError, match="truncated"):
        split_text("{", "json", ANNA)


def test_texts_of_other_json_are_emptied_so_that_it_reads_as_before() -> None:
    text = json.dumps({"id": "1", "notes": [{"by": "x", "text": "anna@x.org called"}], "anna@x.org": 1})
    split = split_text(text, "json", ANNA)
    assert json.loads(split.kept) == {"id": "1", "notes": [{"by": "x", "text": ERASED}], ERASED: 1}
    assert [one.text for one in split.mentions] == ["anna@x.org called", "anna@x.org"]
    assert split_text('{"a": [1]}', "json", ANNA) == SplitText('{"a": [1]}', ())
    with pytest.raises(ValueError, match="nested too deeply"):
        split_text('{"a":' * 100_000 + "1" + "}" * 100_000, "json", ANNA)


def test_thousands_of_requests_are_found_as_words_of_their_own() -> None:
    ids = [f"req_{number:024x}" for number in range(5000)]
    pattern = make_name_pattern("anna", [], ids)
    assert pattern.search(f'{{"id": "{ids[4999]}"}}') and pattern.search(f"of {ids[0].upper()}.")
    assert not pattern.search(f"req_{5000:024x}") and not pattern.search(f"{ids[1]}0") and not pattern.search("req_")
