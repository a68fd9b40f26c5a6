import pytest

from steward.adapters.segmenters import LibrarySegmenter
from steward.core.errors import InputError
from steward.data.gopher_languages import (
    SEGMENTED,
    filter_by_language,
    limits_of,
    list_languages,
    measure_words,
    split_words,
)
from steward.data.language_detection import LANGUAGES
from steward.data.violation import Violation


class ByDots:
    def split_words(self, text: str, language: str) -> list[str]:
        return text.split("・")


TURKISH = (
    "Bu komut, verilen dosyaların içeriğini okur ve satırları sırayla ekrana yazar. Dosya adı verilmezse "
    "girdi standart girişten okunur. Seçenekler kısa ya da uzun olabilir; kısa olanlar tek bir tire ile "
    "başlar. Çıktı çok uzunsa bir sayfalayıcı kullanmak daha iyi olur. Hata oluşursa komut sıfırdan "
    "farklı bir değerle sona erer ve nedenini standart hataya yazar. Ayrıntılar için kullanım kılavuzuna "
    "bakın, orada örnekler de bulunur."
)


def judge(text: str, language: str, **limits: float) -> Violation | str:
    return filter_by_language([text], [language], limits, ByDots())[0]


def find_rule(text: str, language: str, **limits: float) -> str:
    """The rule by which a text leaves."""
    found = judge(text, language, **limits)
    assert isinstance(found, Violation), found
    return found.rule


def test_a_text_is_kept_by_the_words_of_its_language() -> None:
    assert judge(TURKISH, "tr") == TURKISH
    assert judge(TURKISH, "de") == Violation("gopher_enough_stop_words", 0, 2)
    assert find_rule(TURKISH, "tr", gopher_short_doc=90) == "gopher_short_doc"


def test_languages_without_function_words_ask_for_none() -> None:
    assert "is" not in list_languages() and judge(TURKISH, "is") == TURKISH
    assert limits_of("is")["gopher_enough_stop_words"] == 0 and limits_of("en")["gopher_enough_stop_words"] == 2


def test_bounds_of_the_length_of_words_go_with_the_language() -> None:
    """3 and 10 of English (Rae et al. 2021, A1.1), times 6.51 / 5.10 of Turkish and 1.94 / 5.10 of Japanese."""
    assert (limits_of("en")["gopher_below_avg_threshold"], limits_of("en")["gopher_above_avg_threshold"]) == (3, 10)
    assert limits_of("tr")["gopher_above_avg_threshold"] == pytest.approx(12.7647, abs=1e-4)
    assert limits_of("ja")["gopher_below_avg_threshold"] == pytest.approx(1.1412, abs=1e-4)
    assert limits_of("fi") == limits_of("en")


def test_every_language_is_one_that_the_detector_gives() -> None:
    assert (
        set(list_languages()) <= LANGUAGES and len(list_languages()) == 41 and set(SEGMENTED) <= set(list_languages())
    )


def test_words_are_the_languages() -> None:
    assert split_words("日本・語・、・の", "ja", ByDots()) == ["日本", "語", "の"]
    assert split_words("l’été, e-mail 2", "fr", None) == ["l’été", "e-mail", "2"]
    assert measure_words(["日本", "grep", "の"], "ja") == (2, 3) and measure_words(["日本", "grep"], "de") == (2, 6)
    with pytest.raises(InputError, match="words of th need a segmenter"):
        split_words("ไทย", "th", None)


def test_repetition_and_lines_count_as_in_the_other_presets() -> None:
    assert find_rule("satır\n" * 20, "tr") == "dup_line_frac"
    assert find_rule("aynı sözler burada " * 40, "tr") == "top_2_gram"
    assert find_rule("", "tr") == "empty"


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("km", "ភាសាខ្មែរគឺជាភាសារបស់ប្រជាជនកម្ពុជា។", ["ភាសាខ្មែរ", "គឺជា", "ភាសា", "របស់", "ប្រជាជន", "កម្ពុជា"]),
        ("lo", "ພາສາລາວແມ່ນພາສາທາງການຂອງປະເທດລາວ", ["ພາສາ", "ລາວ", "ແມ່ນ", "ພາສາ", "ທາງການ", "ຂອງ", "ປະເທດ", "ລາວ"]),
        ("my", "မြန်မာနိုင်ငံသည် အာရှတွင် တည်ရှိသည်။", ["မြန်မာနိုင်ငံ", "သည်", "အာ", "ရှ", "တွင်", "တည်ရှိသည်"]),
    ],
)
def test_khmer_lao_and_burmese_are_cut_into_words(language: str, text: str, words: list[str]) -> None:
    """ICU's dictionaries, without spaces and punctuation."""
    assert split_words(text, language, LibrarySegmenter()) == words
    with pytest.raises(InputError, match=f"words of {language} need a segmenter"):
        split_words(text, language, None)


@pytest.mark.parametrize("language", ["km", "lo", "my"])
def test_texts_of_these_languages_pass_by_their_own_bounds(language: str) -> None:
    """Sentences of ICU's words with function words among them, 60 different words and more."""
    limits = limits_of(language)
    assert 2 < limits["gopher_below_avg_threshold"] < 3 and 7 < limits["gopher_above_avg_threshold"] < 10
    assert limits["gopher_enough_stop_words"] == 2


# Median lengths of words in manual pages and, of km, lo and my, in catalogues: benchmarks/measure_languages.py.
@pytest.mark.parametrize(
    ("language", "length"),
    [
        ("da", 5.18), ("de", 5.72), ("es", 5.01), ("fr", 4.80), ("hu", 5.82), ("id", 5.79), ("it", 4.95), ("ja", 1.94),
        ("ko", 3.26), ("nl", 5.57), ("pl", 5.49), ("pt", 4.63), ("ro", 5.29), ("ru", 5.40), ("sr", 5.53), ("sv", 4.83),
        ("tr", 6.51), ("uk", 5.82), ("zh", 1.84), ("km", 4.66), ("lo", 4.29), ("my", 3.99),
    ],
)  # fmt: skip
def test_each_language_has_bounds_by_its_own_words(language: str, length: float) -> None:
    assert limits_of(language)["gopher_above_avg_threshold"] == pytest.approx(10 * length / 5.10)


def test_each_text_is_judged_by_its_own_words() -> None:
    """As if it were alone; the last one has no word."""
    texts = ["uno dos tres cuatro cinco", "las mismas palabras aquí " * 40, "seis siete ocho nueve diez", "!"]
    verdicts = filter_by_language(texts, ["es"] * 4, {}, None)
    assert verdicts == [filter_by_language([text], ["es"], {}, None)[0] for text in texts]
