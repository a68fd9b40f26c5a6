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
