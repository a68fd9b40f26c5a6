"""Which letter an answer to a multiple-choice question chooses, in the languages that models answer in.

The first rule that finds a letter decides: a boxed letter; a stated answer ("the answer is B", "Antwort: C"), the
last one where several are stated; the one called right where others are called wrong; a line that is a letter or
begins with one ("B) Paris"); a letter in parentheses; "option B", "I choose B", "B is correct"; "so B" at the end. A
rule that finds several letters finds none, but for stated answers.
Full-width and look-alike Cyrillic and Greek letters are read as Latin ones.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ALIKE: Final = str.maketrans("АВСЕНКМОРТХΑΒΕΗΙΚΜΝΟΡΤΥΧΖ", "ABCEHKMOPTXABEHIKMNOPTYXZ")
_DARK: Final = re.compile("[\U0001f150-\U0001f169\U0001f170-\U0001f189]\ufe0f?")  # Unicode 16, 1F100 to 1F1FF
_ALONE: Final = re.compile(r"(?<!\w)[АВСЕНКМОРТХΑΒΕΗΙΚΜΝΟΡΤΥΧΖ](?!\w)")
_LETTER: Final = (
    r"[*_\"'“”«»「『【（(\[<{$\s]*(?:\\(?:math|"
    r"text)\w*\{)?\(?(?P<letter>[A-Z])(?![A-Za-zÀ-ÿА-я0-9_])(?!['’]\w)(?!\.[A-Za-z])"
)
_ANSWER: Final = (
    r"(?:final |correct |right |best |my |the )*(?:answer|choice|option|solution|response|selection|letter)|ans\.?"
    r"|(?:richtige|korrekte|beste|endgültige)?\s*(?:antwort|lösung|auswahl)"
    r"|(?:bonne |la )?(?:réponse|reponse|solution)(?: correcte| finale| exacte)?"
    r"|(?:la )?(?:respuesta|opción|opcion|solución)(?: correcta| final)?"
    r"|(?:la )?(?:risposta|opzione|soluzione)(?: corretta| giusta| finale| esatta)?"
    r"|(?:a )?(?:resposta|opção|alternativa)(?: correta| certa| final)?"
    r"|(?:het )?(?:juiste |correcte )?(?:antwoord)"
    r"|(?:poprawna |prawidłowa |właściwa )?(?:odpowiedź|odpowiedz)"
    r"|(?:правильный |верный |окончательный )?(?:ответ|вариант)"
    r"|(?:doğru )?(?:cevap|yanıt)|(?:rätt |det rätta )?svar(?:et)?|(?:správná )?odpověď"
    r"|(?:正确|最终|正確|最終)?(?:答案|答|选项|選項)|(?:正解|答え|回答|正答)|(?:정답|답|답변)"
    r"|(?:الإجابة|الجواب)(?: الصحيحة| الصحيح)?|(?:सही )?(?:उत्तर|जवाब)|đáp án(?: đúng| chính xác)?"
    r"|câu trả lời|jawaban(?:nya)?(?: yang)?(?: benar| tepat)?"
    r"|(?:правильна |вірна )?відповідь|(?:η )?(?:σωστή )?απάντηση|(?:ה)?תשובה(?: הנכונה)?"
    r"|răspuns(?:ul)?(?: corect| final)?"
    r"|(?:a )?(?:helyes )?válasz|(?:oikea )?vastaus|(?:riktig |det rigtige |riktige )?svar(?:et)?|(?:پاسخ"
    r"|جواب)(?: صحیح| درست)?"
    r"|(?:সঠিক )?উত্তর|ค(?:ำ|ํา)ตอบ(?:ที่ถูกต้อง)?|(?:the )?(?:correct|right|best) one"
)
_LINK: Final = (
    r"(?: (?:here|for this question|in this case|among these))?"
    r"(?: (?:is|would be|must be|should be|ist|lautet|wäre|est|es|sería|è|é|será|to|jest|brzmi|olarak|är|je|là|"
    r"adalah|είναι|este|e|on|er|har|היא|هي|ist)(?!\w)|คือ| گزینه|"
    r"应该是|應該是|应为|是|为|為|選|选|は|が|은|는|이|가| هي| هو| है)?"
)
_CLEAR: Final = (  # "the choice is clear: B"; "is not clear" states nothing
    r"(?: (?:is|seems|looks|was|ist|est|es|è|é|jest)(?: (?:quite|very|pretty|rather|simply|ganz|très|muy|molto|muito))?"
    r" (?:clear|obvious|simple|easy|evident|plain|straightforward|certain|klar|eindeutig|offensichtlich|claire?"
    r"|évidente?|clar[oa]|obvi[oa]|evidente|chiar[oa]|ovvi[oa]|semplice|óbvi[oa]|duidelijk|jasn[ay]|oczywist[ay])"
    r"(?=\s*[:：—–-])|\s*(?:ясен|очевиден|понятен)(?=\s*[:：—–-]))?"
)
_STATED: Final = re.compile(
    rf"(?<![^\W_])(?:{_ANSWER})(?:(?<=[^\x00-\x7f])|(?![a-z]))(?: to (?:this|the) question)?{_CLEAR}{_LINK}(?: \w+ly|"
    rf" therefore| thus)?"
    rf"[\s:：=\-–—>\"'*_]*(?:(?:the|option|choice|letter|antwort|buchstabe|la|le|el|il|a|opción|opção|lettera|letra|"
    rf"lettre|вариант|буква)\s+){{0,2}}"
    rf"{_LETTER}",
    re.I,
)
_MENTIONED: Final = re.compile(  # spoken of, not yet chosen: "Option B costs more"
    r"(?:option|choice|selection|letter|auswahl|opción|opcion|opzione|opção|alternativa|вариант|选项|選項)\s*[*_(\[\"']*\Z",
    re.I,
)
_ANOTHER: Final = re.compile(  # a second letter: "A, C", "A or B", "A/B"
    r"[)\]*_\"'}$]*\s*(?:[,/&+、，]|(?:and|or|und|oder|et|ou|y|o|e|ve|veya|и|или|i|lub|en|of)\b|和|或|및|또는|と)\s*"
    r"(?:(?:and|or|und|oder)\s+)?[(\[*_\"']*(?P<letter>[A-Z])(?![\w'’])(?!\)?[*_\"']*\s+[a-zà-ÿ])"
)
_ONLY: Final = re.compile(r"\W*(?:(?:option|choice|letter|answer)\W+)?([A-Za-z])\W*", re.I)
_INSTEAD: Final = re.compile(
    r"(?i:\b(?:not|nicht|pas|no|non|não|niet|не))\s+(?:la |el |die )?\(?[A-Z]\)?,?\s+"
    r"(?:but|sondern|mais|sino|ma|mas|maar|а)\s+(?:rather |la |el |die )?\(?([A-Z])\)?(?!\w)"
)
_NUMBERED: Final = re.compile(  # an answer to a numbered question, or to one that is repeated: "1. B", "Q: …\nA: B"
    r"^\s*(?:(?:question|q|frage|pregunta|domanda|问题)\s*)?\d{1,3}\s*[.):：]\s*[*_(]*([A-Z])[)*_]*\.?\s*$"
    r"|^Q[:：][^\n]*\n+A[:：]\s*[*_(]*([A-Z])[)*_]*\.?\s*$|^\s*only\s+\(?([A-Z])\)?\W*$",
    re.M | re.I,
)
_BOXED: Final = re.compile(
    r"\\f?box(?:ed)?\s*\{\s*(?:\\(?:text|mathrm|mathbf|textbf"
    r"|mathsf)\s*\{)?\s*\(?([A-Za-z])\)?(?:\s*[.)]?\s*\}|[.):]\s*[^{}\s]|\s*\}\s*[^{}]{0,80}\})"
)
_TAGGED: Final = re.compile(
    r"<(final(?:_answer)?|result|choice|option|letter|selection)>\s*\(?(?P<letter>[A-Z])\)?[.)]?\s*</\1>", re.I
)
_CONCLUDED: Final = re.compile(
    r"\b(?:so|therefore|thus|hence|leaves(?: only| us with)?|also|donc|entonces|quindi|portanto|dus|więc"
    r"|значит)[,:]?\s+"
    r"(?:it(?:'s| is| must be)\s+)?[*_(]*([A-Z])[)*_]*[.!]?\s*$|(?:因此|所以|故|よって)[,，、]?\s*([A-Z])\s*[。.]?\s*$",
    re.I,
)
_LINE: Final = re.compile(
    r"^[\s*_#>\-\[(（【「\"'`]*([A-Z])(?:[\s*_\])）】」\"'`.。、:：]*$|[*_\])）】」]*(?:[.):：、）]\s*|\s+[-–—]\s+|,\s+(?!as\b|"
    r"for\b|but\b))(?!(?:is|ist|est|es|è|é)\s+(?:incorrect|wrong|not|falsch|faux|false)|(?:and|or|und|oder|et|ou|y|o|e)\b"
    r"|\(?[A-Z]\b\)?(?:[\s.,)]|$)|[^\n]{1,80}?(?<!\w)[A-Z][.):]\s)\S)",
    re.M,
)
_PARENTHESES: Final = re.compile(r"[(（\[【]\s*\**([A-Z])\**\s*[)）\]】]")
_IS_RIGHT: Final = (
    r"(?:(?:fits|matches|works|suits|describes|answers)\s+(?:it |this |the \w+ )?best(?!\w)|"
    r"(?:is|ist|est|es|è|é|jest|to|является)\s+(?:the |la |a |die |l')?(?:\w+ )?"
    r"(?:correct|right|best|richtig|korrekt|correcte?|bonne|correct[ao]|correta?|corretta?|giusta|certa|juist|"
    r"poprawn|prawidłow|верн|правильн))"
)
_JUDGED: Final = re.compile(  # "(A) and (C) are wrong", "B is true"; "(A) false" without a verb
    r"(?<![\w'’])(?P<letters>\(?[A-Z]\)?(?:\s*(?:,|/|&|(?:,\s*)?(?:and|or|und|et|y|e|en|i|и)\b)\s*\(?[A-Z](?![\w'’])\)?){0,9})"
    r"[*_\"']*(?:\s+(?P<verb>(?i:is|are|was|were|ist|sind|est|sont|es|son|è|sono|é|são|jest|są|isn't|aren't)"
    r"(?P<not>n't|\s+(?i:not|nicht|pas|no))?)(?:\s+(?i:also|clearly|definitely|simply|auch|aussi))?|(?<=\))|:)\s+"
    r"(?i:(?:the |la |el |die |l')?(?:(?P<right>true|right|correct\w*|wahr|richtig\w*|korrekt|vraie?s?|verdader[oa]s?"
    r"|ver[ao]|corrett[ao]|giust[ao]|verdadeir[oa]s?|cert[oa]|waar|juist|poprawn[ae]|prawdziw[ae]|верно|правильно)"
    r"|false|wrong|incorrect\w*|untrue|falsch|unwahr|fauss?e?s?x?|fals[oa]s?|sbagliat[ao]|errat[ao]|errad[oa]|fout|onwaar"
    r"|onjuist|fałszyw[ae]|błędn[ae]|неверно|неправильно))(?!\w)"
)
_CHOSEN: Final = re.compile(
    r"(?:\b(?:options?|choices?|choose|chose|pick|select|selected|go with|going with|it(?:'s| is)|must be|nehme|wähle|"
    r"choisis|elijo|선택지|escolho|scelgo|kies|wybieram|выбираю|opción|opção|opzione|optie|opcja|вариант|seçenek)|"
    r"选[项择]?|選[項択]?|選ぶ)"
    r"\s*[:：]?\s*(?:(?:the|la|el|il|die|de|letter|letra|lettera|lettre|option|opción)\s+){0,2}"
    r"[\s*_\"'(（\[]*([A-Z])(?![A-Za-zÀ-ÿА-я0-9_'’])(?!\s*(?:,|/|and|or|to|und|oder|et|ou|y|o)\s*\(?[A-Z]\b)"
    rf"|(?<![\w'])\(?([A-Z])\)?[*\"']*\s*{_IS_RIGHT}"
    r"|([A-Z])\s*(?:が正解|が正しい|を選|입니다|이 정답|가 정답|[를을] (?:선택|고르)|"
    r"(?:选项|選項|项|項)?是?(?:正确|正確))",
    re.I,
)
_NEGATED: Final = re.compile(
    r"\b(?:not|nicht|pas|no|non|não|nie|не|isn't|aren't|cannot be|can't be)\W*$|不是$|ではな", re.I
)
_REASONS: Final = r"because|since|as\b|and\b|which|for\b|due|weil|da\b|denn|porque|car\b|perché|omdat|bo\b"
_PROSE: Final = re.compile(rf"\s+(?!{_REASONS})[a-zà-ÿ]")
_OPTION: Final = re.compile(r"option|choice|opción|opzione|optie|opcja|вариант", re.I)
_SPOKEN_OF: Final = re.compile(rf"\s+(?!{_REASONS}|{_IS_RIGHT})[a-zà-ÿ]")  # "Option B costs more"


def extract_letter(answer: str) -> str:
    """The letter that is chosen, in upper case; empty where none is, or where it cannot be told.

    >>> extract_letter("B. Paris"), extract_letter("I think the answer is (C)."), extract_letter("A dog or a cat")
    ('B', 'C', '')
    >>> extract_letter("Antwort: C"), extract_letter("答案：B"), extract_letter(r"so \\boxed{D}")
    ('C', 'B', 'D')
    """
    text = _replace_lookalikes(unicodedata.normalize("NFKC", shorten_runs(answer)))
    if alone := _ONLY.fullmatch(text):
        return alone[1].upper()
    if boxed := _BOXED.findall(text):
        return str(boxed[-1]).upper()
    if tagged := _TAGGED.findall(text):
        return str(tagged[-1][1]).upper()
    if instead := _INSTEAD.findall(text):
        return str(instead[-1])
    stated = [match for match in _STATED.finditer(text) if _is_stated(match, text)]
    if stated:
        return "" if _names_another(stated[-1], text) else str(stated[-1]["letter"]).upper()
    if judged := _find_judged_letter(text):
        return judged
    numbered, concluded = (
        [letter for found in pattern.findall(text) for letter in found if letter.isupper()]
        for pattern in (_NUMBERED, _CONCLUDED)
    )
    for letters in (
        numbered,
        _LINE.findall(text),
        concluded,
        _PARENTHESES.findall(text),
        _find_chosen_letters(text),
    ):
        if letters:
            return str(letters[0]) if len(set(letters)) == 1 else ""
    return ""


def _find_judged_letter(text: str) -> str:
    """The one letter that is called right where another is called wrong: "(B) is false and (C) is true".

    Without a verb it takes three: "(A) True (B) False" repeats the choices.
    """
    right, wrong, verbs = set[str](), set[str](), 0
    for match in _JUDGED.finditer(text):
        is_right = (match["right"] is not None) != (match["not"] is not None or "n't" in (match["verb"] or ""))
        (right if is_right else wrong).update(re.findall(r"[A-Z]", match["letters"]))
        verbs += match["verb"] is not None
    told = len(right) == 1 and wrong and not right & wrong and (verbs or len(wrong) > 1)
    return right.pop() if told else ""


_NEAR: Final = 100  # characters around a letter that say whether it is chosen
_RUN: Final = re.compile(r"[\W_]{41,}")


def shorten_runs(text: str) -> str:
    """`text` with at most 41 marks and blanks in a row. They separate, and more of them say no more, but patterns that
    look for some around a letter would take the square of a run's length.

    >>> shorten_runs("A" + "\\n" * 10_000 + "B") == "A" + "\\n" * 41 + "B"
    True
    """
    return _RUN.sub(lambda run: run[0][:20] + ("\n" if "\n" in run[0] else " ") + run[0][-20:], text)


def _replace_lookalikes(text: str) -> str:
    """Look-alike letters of other alphabets that stand alone, and letters on a dark disc or square, as Latin ones."""
    text = _DARK.sub(lambda found: chr(ord("A") + (ord(found[0][0]) - 0x1F130) % 32), text)
    return _ALONE.sub(lambda found: found.group().translate(_ALIKE), text)


def _names_another(match: re.Match[str], text: str) -> bool:
    """Whether a different letter is chosen beside the one of `match`."""
    another = _ANOTHER.match(text[match.end() : match.end() + _NEAR])
    return another is not None and another["letter"] != match["letter"].upper()


def _is_stated(match: re.Match[str], text: str) -> bool:
    """Not "the answer is not B", nor the article of "the answer is a dog" or "the answer is I don't know"."""
    letter, rest = match["letter"], text[match.end() : match.end() + _NEAR]
    if _MENTIONED.fullmatch(text[match.start() : match.start("letter")]):
        return False
    if _NEGATED.search(text[max(0, match.start("letter") - _NEAR) : match.start("letter")]):
        return False
    if letter.islower():
        return not re.match(r"[\s,]*\w", rest) or bool(re.match(r"\s*[).]", rest))
    return not (letter in "AIOEY" and _PROSE.match(rest))


def _is_spoken_of(match: re.Match[str], letter: str, rest: str) -> bool:
    """Whether a letter is only named, as in "Option B costs more", or is an article, as in "I choose A dog"."""
    if _OPTION.match(match[0]):
        return _SPOKEN_OF.match(rest) is not None
    return letter in "AIOEY" and _PROSE.match(rest) is not None


def _find_chosen_letters(text: str) -> list[str]:
    """Letters that are chosen in words; lower-case ones are articles."""
    letters = [
        letter
        for match in _CHOSEN.finditer(text)
        for letter in match.groups()
        if letter
        and letter.isupper()
        and not (match.group(1) and _is_spoken_of(match, letter, text[match.end() : match.end() + _NEAR]))
        and not _NEGATED.search(text[max(0, match.start() - _NEAR) : match.start()])
    ]
    return letters
