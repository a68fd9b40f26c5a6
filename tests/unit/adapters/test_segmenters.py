import sys

import pytest

from steward.adapters.segmenters import LibrarySegmenter, _load
from steward.core.errors import InputError


def test_japanese_and_chinese_are_split_into_words() -> None:
    """As the dictionaries have them; nothing of the text is lost."""
    japanese, chinese = "猫が庭で寝ている。", "孩子们在花园里玩。"
    assert LibrarySegmenter().split_words(japanese, "ja")[:4] == ["猫", "が", "庭", "で"]
    words = LibrarySegmenter().split_words(chinese, "zh")
    assert "孩子" in words and "".join(words) == chinese


def test_long_texts_are_split_in_pieces() -> None:
    text = "猫が庭で寝ている。" * 3000
    assert "".join(LibrarySegmenter().split_words(text, "ja")) == text


def test_thai_is_split_into_words() -> None:
    assert LibrarySegmenter().split_words("ฉันรักแมว", "th") == ["ฉัน", "รัก", "แมว"]


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    _load.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(InputError, match=r"words of zh need rjieba; .*languages"):
        LibrarySegmenter().split_words("猫", "zh")
    _load.cache_clear()


def test_words_of_other_languages_are_found_without_the_blanks_between_them() -> None:
    """Khmer has no library of its own here: Unicode's word boundaries (UAX 29) with ICU's dictionary."""
    assert LibrarySegmenter().split_words("ខ្ញុំ ស្រឡាញ់ ឆ្មា", "km") == ["ខ្ញុំ", "ស្រឡាញ់", "ឆ្មា"]
