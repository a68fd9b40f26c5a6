import time
from itertools import pairwise

import pytest

from steward.text.sentences import split_sentences
from steward.text.tokenizer import CASED, icon_codes, is_url, tokenize, tokenize_piece, uncased_ranges

# Expected by spaCy 3.8, spacy.blank("en").
SPACY = {
    "I can't, won't; cannot!": "I|ca|n't|,|wo|n't|;|can|not|!",
    "(see Fig. 3, p. 12-14)": "(|see|Fig|.|3|,|p.|12|-|14|)",
    "Mr. Smith's U.S. well-known 10km $5.99": "Mr.|Smith|'s|U.S.|well|-|known|10|km|$|5.99",
    "f(x): a,b read/write 2024-01-02": "f(x|):|a|,|b|read|/|write|2024|-|01|-|02",
    "https://example.com/a?b=c,d me@shop.co.uk :-) foo.Bar": "https://example.com/a?b=c,d|me@shop.co.uk|:-)|foo|.|Bar",
    "“Curly,” she said…then": "“|Curly|,|”|she|said|…|then",
    "patch-id z.B. IS''": "patch|-|id|z.|B.|IS|''",
}


@pytest.mark.parametrize("text", SPACY)
def test_words_are_spacys(text):
    assert tokenize(text) == SPACY[text].split("|")


# D22: signs of mathematics (Unicode's Sm) lie within a word, other symbols (So) are words. By spaCy 3.8 too.
MATHS = {
    "alpha≤beta sequence→limit x⇒y f∘g": "alpha≤beta|sequence→limit|x⇒y|f∘g",
    "⌈x⌉ ∑i ∞. ℝwhole 12→34": "⌈x⌉|∑i|∞.|ℝwhole|12→34",
    "a↕b №5 ℃, x✓y ©2024 ▷end 🥲x 🏻x": "a|↕|b|№|5|℃|,|x|✓|y|©|2024|▷end|🥲x|🏻x",
    "5м/с 3кПа 7م 9كم² 2нм 5т": "5|м/с|3|кПа|7|م|9|كم²|2|нм|5т",
    "〈x〉 xђ.B xў. яҗ.": "〈|x|〉|xђ.B|xў.|яҗ|.",
}


@pytest.mark.parametrize("text", MATHS)
def test_d22_words_of_mathematics_are_spacys(text):
    assert tokenize(text) == MATHS[text].split("|")


@pytest.mark.parametrize("text", ["*" * 60_000, "(" * 60_000, "." * 60_000, "a:" * 30_000 + "@", "a-b" * 20_000])
def test_long_runs_take_linear_time(text):  # 60,000 characters: minutes, if each word cost a look at the whole
    start = time.process_time()
    assert "".join(tokenize(text)) == text
    assert time.process_time() - start < 5


def test_words_joined_are_the_text():
    text = "It's 3.5\" wide (e.g. A&B): 'no' -- that’s $4/kg; über-schön ☃!"
    assert "".join(tokenize(text)) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("This line has enough words and ends in punctuation, Dr. Roberts!", 1),
        ('"Open Access. Powered by Scholars. Published by Universities."', 3),
        ("This line looks like it has three sentences...but it's actually just 1.", 1),
        ("At 5 p.m. he left. 他来了。你呢？", 3),
        ("", 0),
    ],
)
def test_sentences_as_in_the_reference_codes_examples(text, count):  # tensorflow_datasets c4_utils_test.py, first three
    assert len(split_sentences(text)) == count


# spaCy 3.8, char_classes: the first and last letters of its Latin, Greek and Cyrillic ranges, by case.
UPPER = "AZÀÖØǄΆΉΌΏΑΩЀҐⱠⱿꜢꞋＡＺ"
LOWER = "azöøƿʯάίαωόώяљґҗᴀỿａｚ"
# And of its ranges of letters without case: Hebrew to Arabic, Bengali, Kannada, Hangul, Chinese, Japanese.
UNCASED = "\u05f4\u0620\u064a\u066e\u06d5\u0750\u077f\u09ff\u0cff\u1100\u30ff\u4dbf\u4e00\u9fff\uac00\ufaff"


@pytest.mark.parametrize("letter", UPPER)
def test_a_full_stop_before_a_capital_cuts(letter):
    assert tokenize(f"xy.{letter}") == ["xy", ".", letter]


@pytest.mark.parametrize("letter", LOWER)
def test_a_full_stop_after_a_small_letter_cuts(letter):
    assert tokenize(f"x{letter}.B") == [f"x{letter}", ".", "B"]


@pytest.mark.parametrize("letter", UNCASED)
def test_letters_without_case_are_both(letter):
    assert tokenize(f"x{letter}.{letter}") == [f"x{letter}", ".", letter]


@pytest.mark.parametrize(("face", "words"), [("=)", 1), ("=(", 1), ("=/", 1), (";)", 1), (";-)", 1), (";(", 2)])
def test_faces_are_spacys(face, words):
    assert len(tokenize(face)) == words


def test_ranges_without_case_are_spacys():
    """spaCy 3.8, char_classes: Hebrew first, the supplementary ideographs last."""
    ranges = uncased_ranges()
    assert (ranges[0], ranges[-1]) == ((0x591, 0x5F4), (0x20000, 0x2FA1F))
    assert all(low <= high < after for (low, high), (after, _) in pairwise(ranges))


def test_letters_with_case_are_as_many_as_spacys():
    """spaCy 3.8, char_classes: 1,322 with case, and six that its ranges without case have, too."""
    assert sum(high - low + 1 for low, high in CASED) == 1328


@pytest.mark.parametrize(
    ("piece", "words"),
    [("who've", "who|'ve"), ("that've", "that've"), ("thatre", "thatre"), ("whore", "whore"), ("those've", "those|'ve"),
     ("thiss", "this|s"), ("(cannot,", "(|can|not|,"), ("(gonna.", "(|gon|na|."), ("(ol'", "(|ol'"),
     ("x(w/o)", "x(w|/|o|)"), ("(and/or)", "(|and/or|)"), ("nothin'!", "nothin'|!")],
)  # fmt: skip
def test_exceptions_are_those_of_spacy(piece, words):
    """spaCy 3, lang/en/tokenizer_exceptions.py; "whore" is among the words that it leaves out."""
    assert tokenize_piece(piece) == words.split("|")


def test_symbols_that_are_cut_off_are_no_letters():
    """Unicode's category So has none; what follows the copyright sign is ª, a letter."""
    codes = icon_codes()
    assert (codes[0], codes[-1]) == (0xA6, 0x1FA6D) and not any(chr(code).isalpha() for code in codes)


@pytest.mark.parametrize(("length", "is_whole"), [(2047, True), (2048, True), (2049, False)])
def test_an_address_is_left_whole_up_to_2048_characters(length, is_whole):
    """A longer one would cost the square of its length."""
    start = "https://example.com/a,"
    assert is_url(start + "b" * (length - len(start))) is is_whole
