from hypothesis import given, settings
from hypothesis import strategies as st

from steward.data.token_index import TokenIndex

BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))  # all: see test_no_later_character_is_blank
TEXTS = st.lists(st.text(st.sampled_from(BLANKS + "ab\0é漢\U0001f600"), max_size=60), max_size=8)


@given(st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_numbers_are_those_of_a_dictionary_over_str_split(batches):
    vocabulary, known = TokenIndex(), list[str]()
    for texts in batches:
        found = vocabulary.index_texts(texts)
        known += found.new
        split = [text.split() for text in texts]
        assert [known[number] for number in found.ids.tolist()] == [piece for pieces in split for piece in pieces]
        assert (found.offsets[1:] - found.offsets[:-1]).tolist() == [len(pieces) for pieces in split]
    assert len(known) == len(set(known)) == len(vocabulary)


def test_no_later_character_is_blank():
    assert not any(map(str.isspace, map(chr, range(0x3001, 0x110000))))


def test_many_pieces_and_long_ones_keep_their_numbers_as_the_table_grows():
    vocabulary = TokenIndex()
    pieces = [f"{number:x}" for number in range(60_000)] + ["x" * length for length in range(1, 400)] + ["\ud800y"]
    known = [piece for part in (pieces[:100], pieces[100:]) for piece in vocabulary.index_texts([" ".join(part)]).new]
    assert sorted(known) == sorted(pieces)
    again = vocabulary.index_texts([*pieces, "unmet"])
    assert [known[number] for number in again.ids.tolist()[:-1]] == pieces and again.new == ["unmet"]


def test_pieces_that_differ_in_one_letter_have_two_numbers():
    """Of every length, in every place: each byte of a piece counts."""
    for length in range(1, 150):
        plain = "x" * length
        others = [plain[:at] + "y" + plain[at + 1 :] for at in range(length)]
        pieces = [plain, *others, plain]
        found = TokenIndex().index_texts([" ".join(pieces)])
        assert [found.new[number] for number in found.ids.tolist()] == pieces
        assert len(found.new) == length + 1
