import itertools
import zlib

import pytest

from steward.text.features import FEW_WORDS, MOST_CHARS, detect_language, find_topic, is_refusal, join_texts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France and how big is it?", "en"),
        ("Ich habe das nicht verstanden, kannst du es auf Deutsch sagen?", "de"),
        ("Je ne sais pas comment faire pour changer le mot de passe.", "fr"),
        ("¿Cómo puedo cambiar la contraseña de mi cuenta? No lo sé.", "es"),
        ("Come posso cambiare la password del mio account? Non lo so.", "it"),
        ("Como eu posso mudar a senha da minha conta? Não sei o que fazer.", "pt"),
        ("Hoe kan ik het wachtwoord van mijn account wijzigen?", "nl"),
        ("如何重置我的密码?请告诉我。", "zh"),
        ("パスワードをリセットするには、どうすればよいですか", "ja"),
        ("비밀번호를 어떻게 재설정합니까?", "ko"),
        ("Как мне сбросить пароль?", "ru"),
        ("كيف أعيد تعيين كلمة المرور؟", "ar"),
        ("מהי הסיסמה שלי", "he"),
        ("मैं पासवर्ड कैसे बदलूं", "hi"),
        ("Πώς αλλάζω τον κωδικό;", "el"),
        ("ฉันจะเปลี่ยนรหัสผ่านได้อย่างไร", "th"),
        ("ok", None),
        ("", None),
        ("12345 67890", None),
        ("xyzzy plugh frotz", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_topics_are_stable_cells_of_longer_words() -> None:
    assert find_topic("short words do not make one") is None
    topic = find_topic("invoice payment subscription refund")
    assert topic is not None and topic[0] == "t" and 0 <= int(topic[1:]) < 32
    assert find_topic("REFUND, payment; invoice -- subscription and so on") == topic
    firsts, seconds = ("kernel", "gardens", "surgery"), ("compile", "flowers", "patient")
    texts = [" ".join(words) for words in itertools.product(firsts, seconds, ("linker", "watering"))]
    assert len({find_topic(text) for text in texts}) > 6


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m sorry, but I cannot assist.", True),
        ("I cannot provide medical advice.", True),
        ("As an AI language model, I ...", True),
        ("Es tut mir leid, dabei kann ich nicht helfen.", True),
        ("Je suis désolé, je ne peux pas.", True),
        ("Lo siento, no puedo ayudar con eso.", True),
        ("Unfortunately, I can't do that.", True),
        ("Sorry for the delay. Here it is.", False),
        ("The word 'sorry' comes from Old English.", False),
        ("You cannot divide by zero; I will explain.", False),
        ("", False),
    ],
)
def test_refusals(answer: str, refused: bool) -> None:
    assert is_refusal(answer) is refused


def test_no_more_is_looked_at_than_a_bound() -> None:
    assert join_texts(["ab", "c"]) == "ab\nc"
    assert len(join_texts(["x" * 5000] * 4)) <= MOST_CHARS + 1
    assert detect_language("the and is " * 10 + "x" * 10**6) == "en"


def test_three_words_are_enough_for_a_language_and_a_topic() -> None:
    assert FEW_WORDS == 3
    assert detect_language("the of and") == "en" and detect_language("the of") is None
    assert find_topic("alpha bravo delta") is not None and find_topic("alpha bravo") is None


def test_a_word_of_a_topic_has_five_letters() -> None:
    assert find_topic("alpha bravo delta gamma four some then") == find_topic("alpha bravo delta gamma")
    assert find_topic("abcd bcde cdef defg") is None


def test_topics_are_signs_of_sums_over_the_words_hashes() -> None:
    """SimHash (Charikar 2002) over CRC-32, of which planes 0 to 4 take bits 0, 7, 14, 21 and 28."""
    names = ("alpha", "bravo", "delta", "gamma", "kappa", "sigma")
    for count in (3, 4, 5):
        for words in itertools.combinations(names, count):
            bits = [[zlib.crc32(word.encode()) // 2 ** (7 * plane) % 2 for word in words] for plane in range(5)]
            cell = sum(2**plane for plane, ones in enumerate(bits) if 2 * sum(ones) > count)
            assert find_topic(" ".join(words)) == f"t{cell:02d}"


def test_texts_are_joined_up_to_what_is_looked_at() -> None:
    assert join_texts(["a", "b"]) == "a\nb" and join_texts([]) == ""
    joined = join_texts(["x" * (MOST_CHARS - 3), "abc", "d"])
    assert joined == "x" * (MOST_CHARS - 3) + "\nab"  # the line's end counts
    assert join_texts(["x" * MOST_CHARS, "y"]) == "x" * MOST_CHARS
    assert join_texts(["x" * (MOST_CHARS - 1), "y"]) == "x" * (MOST_CHARS - 1)


def test_no_more_than_8000_characters_are_looked_at() -> None:
    assert len(join_texts(["x" * 9000])) == 8000


def test_japanese_of_few_kana_and_many_kanji_is_not_taken_for_chinese() -> None:
    assert detect_language("東京都の人口") == "ja"


@pytest.mark.parametrize(
    ("text", "language"),
    [("我是谁", "zh"), ("我是", None), ("привет xyzzy", "ru"), ("привет xyzzyx", None), ("привет xyzzy foo", None),
     ("日本の plugh", None), ("東京の xyz", None), ("東京のは xyz", "ja")],
)  # fmt: skip
def test_a_script_has_three_letters_and_more_than_half_of_all(text: str, language: str | None) -> None:
    """Of `привет xyzzyx` it is just half."""
    assert detect_language(text) == language


def test_a_refusal_may_stand_behind_any_number_of_marks() -> None:
    assert is_refusal("\n" * 500 + "I cannot help with that.") and not is_refusal("\n" * 500 + "It works.")
