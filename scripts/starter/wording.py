"""How people really type: case, punctuation, greetings around it, slang, dropped words, slips of the finger."""

from __future__ import annotations

import random
import re
from typing import Final

OPENERS: Final = (
    "Hi, |Hello, |Hey, |Hi there, |Good morning, |Good afternoon, |Excuse me, |Quick question: |Sorry to bother you, |"
    "Hello! |Hi! |I have a question: |Please help, |Dear team, |hey |hi |ok so |so |umm |hey guys |sorry, |ugh, |"
    "hello again, |yo |one more thing: |also, |listen, |Good evening, "
).split("|")
CLOSERS: Final = (
    " Thanks!| Thank you.| Thanks in advance.| Please help.| Can you help?| Thank you very much.| Please let me know.|"
    " I hope you can help.| pls| please| asap| thx| thanks| lol| ty| help| :)| urgent| now"
).split("|")
QUESTIONS: Final = (
    "how what where when which who why can could do does did is are has will should would any may must am".split()
)
GREETS: Final = frozenset("hi hello hey good greetings bye goodbye thanks thank hiya yo".split())

SLANG: Final = tuple(
    (re.compile(rf"\b{plain}\b", re.IGNORECASE), tuple(short.split("|")))
    for plain, short in {
        "you": "u|ya",
        "your": "ur|yr",
        "you are": "ur|youre|u r",
        "are": "r",
        "please": "pls|plz|pleas",
        "thanks": "thx|thnx|tnx",
        "thank you": "ty|thank u|thx",
        "want to": "wanna|want 2",
        "going to": "gonna",
        "give me": "gimme",
        "got to": "gotta",
        "let me": "lemme",
        "what is": "whats|what's|wats",
        "where is": "wheres|where's|wher is",
        "when is": "whens|when's",
        "how is": "hows|how's",
        "it is": "its|it's",
        "I am": "im|i'm|am",
        "I have": "ive|i've|have",
        "do not": "dont|don't",
        "does not": "doesnt|doesn't",
        "did not": "didnt|didn't",
        "is not": "isnt|isn't|aint",
        "has not": "hasnt|hasn't",
        "have not": "havent|haven't",
        "cannot": "cant|can't",
        "will not": "wont|won't",
        "tomorrow": "tmr|tomorow|2moro",
        "today": "2day|tday",
        "because": "cuz|bc",
        "and": "n|&",
        "to": "2",
        "for": "4",
        "before": "b4",
        "okay": "ok|k",
        "something": "smth|sth|somthing",
        "anything": "anythin",
        "people": "ppl",
        "message": "msg",
        "weeks": "wks",
        "days": "dys",
        "about": "bout|abt",
        "with": "w/|wit",
        "without": "w/o",
        "would like": "'d like|want",
        "two": "2",
        "three": "3",
        "number": "nr|no|num",
        "package": "pkg|pakage",
        "address": "adres|addy",
        "receipt": "recipt|receit",
        "delivery": "delivry|deliv",
        "received": "recieved",
        "order": "ordr|oder",
        "how do I": "how to|how 2",
        "how can I": "how to",
        "why": "y",
        "see": "c",
        "really": "rly",
        "great": "gr8",
        "never": "nvr",
        "still": "stil",
        "been": "bin",
        "the": "teh|da",
    }.items()
)
DROPPABLE: Final = frozenset(
    "a an the is are am my your i do does did can could will would please to of it that have has you me we".split()
)
NEIGHBOURS: Final = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wertyuioopsdfghjkllxcvbnmm", strict=True)  # the key to the right
)


def plain(text: str) -> str:
    """A careful writer's form: a capital and a full stop or question mark."""
    return text[0].upper() + text[1:] + ("?" if _asks(text) else ".")


def styled(text: str, r: random.Random) -> str:
    """One of the ways in which people type `text`; order numbers, names and wares keep their letters mostly."""
    greets = text.split(" ")[0].lower().strip(",.!") in GREETS
    if r.random() < 0.28:
        text = _slang(text, r)
    if r.random() < 0.14:
        text = _shortened(text, r)
    end = _ending(text, r)
    opener = r.choice(OPENERS) if not greets and r.random() < 0.25 else ""
    if not opener or opener.endswith(("! ", ": ")):
        text = text[0].upper() + text[1:]
    text = opener + text + end
    if not greets and r.random() < 0.12:
        text += r.choice(CLOSERS)
    for chance in (0.12, 0.05):
        if r.random() < chance:
            text = _slip(text, r)
    return text.lower() if r.random() < 0.4 else text.upper() if r.random() < 0.01 else text


def _asks(text: str) -> bool:
    return text.lower().startswith(tuple(word + " " for word in QUESTIONS))


def _ending(text: str, r: random.Random) -> str:
    draw = r.random()
    if draw < 0.55:
        return "?" if _asks(text) else "."
    if draw < 0.63:
        return r.choice(("??", "?!", "!!", "...", "!", " ?", "?"))
    return ""


def _slang(text: str, r: random.Random) -> str:
    chance = r.choice((0.3, 0.6, 0.9))
    for pattern, shorts in SLANG:
        if pattern.search(text) and r.random() < chance:
            text = pattern.sub(r.choice(shorts), text)
    return text


def _shortened(text: str, r: random.Random) -> str:
    chance = r.choice((0.4, 0.9))
    words = text.split(" ")
    kept = [word for word in words if word.lower() not in DROPPABLE or r.random() > chance]
    return " ".join(kept) if len(kept) >= 2 else text


def _slip(text: str, r: random.Random) -> str:
    """One slip in one word of four letters or more: a letter dropped, swapped, doubled or the key beside it."""
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not places:
        return text
    place = r.choice(places)
    word = words[place]
    at = r.randrange(1, len(word) - 1)
    kind = r.randrange(4)
    if kind == 0:
        word = word[:at] + word[at + 1 :]
    elif kind == 1:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif kind == 2:
        word = word[:at] + word[at] + word[at:]
    else:
        word = word[:at] + NEIGHBOURS.get(word[at].lower(), word[at]) + word[at + 1 :]
    words[place] = word
    return " ".join(words)
