import pytest

from steward.data import language_detection
from steward.data.language_detection import FOLDED, LANGUAGES, UNKNOWN, detect_language, guess_language, model_labels


def test_d18_the_labels_are_pinned() -> None:
    assert {FOLDED.get(label, label) for label in model_labels()} - {UNKNOWN} == LANGUAGES


def test_d18_near_languages_are_folded_and_tables_are_unknown() -> None:
    cantonese = "佢哋今日去咗公園玩,天氣好好,佢哋食咗好多嘢,跟住先至返屋企瞓覺。你哋聽日嚟唔嚟呀?"
    assert detect_language(cantonese) == guess_language(cantonese) == "zh"
    options = "-a -b -c FILE DIR [OPTION]... x86_64 0xff ttyS0 /dev/null -rw-r--r-- 1 root root 4096 ls(1)"
    assert detect_language(options) in (UNKNOWN, "en")


def test_few_letters_decide_nothing() -> None:
    assert (detect_language("Guten Tag"), guess_language("Guten Tag")) == (UNKNOWN, "short")
    assert detect_language("Guten Tag, wie geht es Ihnen heute?", min_letters=27) == "de"  # 27 letters
    assert detect_language("Guten Tag, wie geht es Ihnen heute?", min_letters=28) == UNKNOWN


LETTERS = "абвгдежзийклмнопрсту"


def test_letters_are_counted_to_the_one() -> None:
    assert detect_language(LETTERS[:15], 0.0) != UNKNOWN and detect_language(LETTERS[:14], 0.0) == UNKNOWN
    assert guess_language(LETTERS[:20]) != "short" and guess_language(LETTERS[:19]) == "short"


class Model:
    """Is 50 % sure of `label`; its other guesses are 30 % and 20 %."""

    def __init__(self, label: str, second: str, third: str) -> None:
        self._ranked = [(label, 0.5), (second, 0.3), (third, 0.2)]

    def classify(self, text: str) -> tuple[str, float]:
        return self._ranked[0]

    def rank(self, text: str) -> list[tuple[str, float]]:
        return self._ranked


@pytest.mark.parametrize(
    ("labels", "confidence", "expected"),
    [
        (("yue", "zh", "en"), 0.8, "zh"),  # .5 and .3 are of one language
        (("zh", "yue", "en"), 0.8, "zh"),
        (("yue", "zh", "en"), 0.81, UNKNOWN),
        (("yue", "en", "zh"), 0.7, "zh"),
        (("yue", "en", "zh"), 0.71, UNKNOWN),
        (("en", "de", "fr"), 0.5, "en"),
        (("en", "de", "fr"), 0.51, UNKNOWN),
        (("zxx", "en", "de"), 0.5, UNKNOWN),
    ],
)
def test_the_probabilities_of_folded_labels_are_added(
    monkeypatch: pytest.MonkeyPatch, labels: tuple[str, str, str], confidence: float, expected: str
) -> None:
    monkeypatch.setattr(language_detection, "_load_identifier", lambda: Model(*labels))
    assert detect_language("x" * 15, confidence) == expected
