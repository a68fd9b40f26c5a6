import re
import unicodedata
from itertools import chain, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.data import shingles
from steward.data.shingles import distinct_hashes, hash_ngrams, hash_words, index_hashes

PROSE = st.text(alphabet="ab cé\n.,19-İßжÅ한", max_size=60)


def plain(text: str) -> list[str]:
    """The same words, the slow way: datatrove's `simplify_text`, with numbers of any length as one.

    Digits that a letter touches are letters (D19).
    """
    text = re.sub(
        r"(?<![^\W_])[0-9]+(?![^\W_])", lambda run: "\ue000" * len(run[0]), unicodedata.normalize("NFC", text)
    )
    text = re.sub("\ue000+([.,]\ue000+)*", "0", text)
    lowered = "".join((c if "가" <= c <= "힣" else unicodedata.normalize("NFD", c)[0]).lower()[0] for c in text)
    return "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in lowered).split()


@settings(deadline=None)
@given(st.lists(PROSE, max_size=5))
def test_two_words_have_one_hash_exactly_when_they_are_the_same_word(texts: list[str]) -> None:
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    values, offsets = hash_words(composed)
    expected = [plain(text) for text in composed]
    assert np.diff(offsets).tolist() == [len(line) for line in expected]
    named = dict(zip([*chain(*expected)], values.tolist(), strict=True))
    assert [named[word] for word in [*chain(*expected)]] == values.tolist()
    assert len(set(named.values())) == len(named)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=9), max_size=5), st.integers(1, 5))
def test_ngrams_are_the_runs_of_n_words(texts: list[list[str]], n: int) -> None:
    runs = [[tuple(t[i : i + n]) for i in range(max(len(t) - n + 1, min(len(t), 1)))] for t in texts]
    values, offsets = hash_ngrams(hash_words([" ".join(text) for text in texts]), n)
    assert np.diff(offsets).tolist() == [len(line) for line in runs]
    named = dict(zip(chain(*runs), values.tolist(), strict=True))
    assert len(set(named.values())) == len(named)
    _, ends = distinct_hashes(hash_ngrams(hash_words([" ".join(text) for text in texts]), n))
    assert np.diff(ends).tolist() == [len(set(line)) for line in runs]


def test_a_text_longer_than_a_load_has_the_words_of_its_parts() -> None:
    part = "one two three " * 3000
    whole = hash_words([part * 4, "x"])
    assert len(part) * 4 > shingles.CHUNK_CHARACTERS
    assert whole.values[:-1].tolist() == hash_words([part]).values.tolist() * 4
    assert whole.offsets.tolist() == [0, 36000, 36001]


@settings(deadline=None)
@given(st.lists(st.tuples(PROSE, st.booleans()), max_size=8))
def test_texts_of_two_kinds_have_the_words_that_each_has_alone(pairs: list[tuple[str, bool]]) -> None:
    values, offsets = hash_words([text for text, _ in pairs], [keep for _, keep in pairs])
    alone = [hash_words([text], keep).values.tolist() for text, keep in pairs]
    assert values.tolist() == [*chain(*alone)]
    assert np.diff(offsets).tolist() == [len(words) for words in alone]


ASCII = st.text(alphabet="abZ  .,\n_-+10", max_size=40)


@settings(deadline=None)
@given(st.lists(ASCII, min_size=1, max_size=6), st.booleans())
def test_ascii_hashed_two_letters_at_once_is_hashed_as_beside_other_letters(texts: list[str], numbers: bool) -> None:
    """A text with a letter beyond ASCII in the same chunk: every letter is looked up alone."""
    alone, beside = hash_words(texts, numbers), hash_words([*texts, "é"], numbers)
    assert alone.values.tolist() == beside.values[:-1].tolist()
    assert alone.offsets.tolist() == beside.offsets[:-1].tolist()


def test_d19_numbers_and_operators_count_where_they_are_kept() -> None:
    folded, exact = (hash_words(["12 plus 7", "99 plus 3", "a+b", "1,234.5 w1 9é"], keep) for keep in (False, True))
    words = [part.values[low:high].tolist() for part in (folded, exact) for low, high in pairwise(part.offsets)]
    assert words[0] == words[1] and words[0][0] == words[0][2] == words[3][0]  # every number is `0`
    assert len(set(words[4] + words[5])) == 5  # 12, plus, 7, 99, 3
    assert [len(part) for part in words] == [3, 3, 2, 3, 3, 3, 3, 5]  # exact: `1`, `234` and `5`


HASHES = st.builds(lambda high, low: high << 62 | low, st.integers(0, 3), st.integers(0, 2))  # few: some are alike


@given(st.lists(HASHES, max_size=8), st.lists(HASHES, max_size=8))
def test_hashes_are_located_at_their_first_place(known: list[int], asked: list[int]) -> None:
    known = sorted(known)
    found, places = index_hashes(np.array(known, np.uint64)).locate(np.array(asked, np.uint64))
    expected = [(at, known.index(value)) for at, value in enumerate(asked) if value in known]
    assert list(zip(found.tolist(), places.tolist(), strict=True)) == expected


def test_scripts_without_spaces_are_words_letter_by_letter() -> None:
    assert np.diff(hash_words(["你好世界", "hello world", "สวัสดี"]).offsets).tolist()[:2] == [4, 2]


def test_hashes_do_not_change_from_one_machine_or_release_to_the_next() -> None:
    assert hash_words(["Hello"]).values.tolist() == hash_words(["hello"]).values.tolist() == [17087129923793103246]
