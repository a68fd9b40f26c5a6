"""Words as spaCy's blank English pipeline has them (test_tokenizer.py holds them against it)."""

import numpy as np

from steward.data.token_table import STOP_WORDS, TokenTable
from steward.text.tokenizer import LONGEST_PIECE


def test_what_each_token_holds() -> None:
    table = TokenTable()
    tokenized = table.tokenize(["don't stop, now!", "stop, 42"])
    assert tokenized.ids.tolist() == [0, 1, 2, 1, 3] or sorted(set(tokenized.ids.tolist())) == [0, 1, 2, 3]
    assert tokenized.offsets.tolist() == [0, 3, 5]
    features = table.features()
    of = {name: getattr(features, name)[tokenized.ids].tolist() for name in ("words", "plain", "plain_characters")}
    assert of == {"words": [2, 2, 2, 2, 1], "plain": [2, 1, 1, 1, 1], "plain_characters": [5, 4, 3, 4, 2]}
    assert features.alphabetic[tokenized.ids].tolist() == [2, 1, 1, 1, 0]


def test_stop_words_have_a_bit_each() -> None:
    table = TokenTable()
    ids = table.tokenize([" ".join(STOP_WORDS) + " The of,"]).ids
    bits = table.features().stop_bits[ids].tolist()
    assert bits == [1, 2, 4, 8, 16, 32, 64, 128, 0, 8]  # "The" is another word than "the"


def test_sentences_are_counted_up_to_a_number() -> None:
    table = TokenTable()
    ids = table.tokenize(['He came. "She went!" They stayed? Yes'])
    assert [table.count_sentences(ids.ids, most) for most in (2, 3, 4, 9)] == [2, 3, 4, 4]
    assert table.count_sentences(table.tokenize(["no end"]).ids, 5) == 1
    assert table.count_sentences(table.tokenize(["ends."]).ids, 5) == 1


def test_a_token_without_end_is_cut_and_keeps_its_characters() -> None:
    table = TokenTable()
    ids = table.tokenize(["a" * (2 * LONGEST_PIECE + 1) + " b"]).ids
    features = table.features()
    assert features.words[ids].tolist() == [3, 1]
    assert features.plain_characters[ids].tolist() == [2 * LONGEST_PIECE + 1, 1]
    assert table.characters == 2 * LONGEST_PIECE + 2 and table.lengths.tolist()[:1] in ([LONGEST_PIECE], [1])


def test_many_tokens_keep_their_ids() -> None:
    table = TokenTable()
    words = [f"word{n}" for n in range(5000)]
    first = table.tokenize([" ".join(words)]).ids
    assert np.array_equal(table.tokenize([" ".join(words[::-1])]).ids, first[::-1])
    assert len(table) == 5000 and len(set(first.tolist())) == 5000
