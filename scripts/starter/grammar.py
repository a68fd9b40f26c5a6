"""Templates and answers of the starter's data: reads the intents files, expands templates, says what is held out.

A file has blocks, apart by an empty line: `name | topic`, the answers behind `=`, then one template a line.
`[a|b]` is a choice, `{slot}` a value, a lone `O` one of the ways to name an order number.
"""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path
from typing import Final, NamedTuple

from values import RECOMMENDED, REFUSED, Slots

HERE: Final = Path(__file__).parent
HELD_OUT: Final = 8  # one template in so many, by the hash of its text
_ORDER: Final = re.compile(r"\bO\b")
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_ORDERS: Final = (
    "[order {o}|order #{o}|my order {o}|my order #{o}|order number {o}|order no. {o}|#{o}|{o}|order nr {o}|"
    "the order {o}|my order number {o}]"
)


class Intent(NamedTuple):
    name: str
    topic: str
    answers: tuple[str, ...]
    templates: tuple[str, ...]


def read(file: str) -> dict[str, Intent]:
    """The intents of one file. :raises ValueError: a block without answers or with a template twice"""
    intents = {}
    for block in (HERE / file).read_text().split("\n\n"):
        lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        name, _, topic = lines[0].partition(" | ")
        answers = tuple(line[2:] for line in lines[1:] if line.startswith("= "))
        templates = tuple(line for line in lines[1:] if not line.startswith("= "))
        if not answers or len(set(templates)) != len(templates):
            raise ValueError(f"{file}: {name}: {len(answers)} answers, {len(templates)} templates, some twice?")
        intents[name] = Intent(name, topic, answers, templates)
    return intents


def held_out(template: str) -> bool:
    """Whether a template is kept for measuring: decided by its own text, so that new ones move no old one."""
    return int.from_bytes(hashlib.sha256(template.encode()).digest()[:4], "big") % HELD_OUT == 0


def part(intent: Intent, *, held: bool) -> tuple[str, ...]:
    return tuple(template for template in intent.templates if held_out(template) == held)


def expand(template: str, slots: Slots, r: random.Random) -> str:
    """One wording of a template.

    >>> expand("[where is|where's] my {p}", {"p": "fan"}, random.Random(0))
    "where's my fan"
    """
    text = _ORDER.sub(lambda _: _ORDERS, template)
    while match := _CHOICE.search(text):
        text = text[: match.start()] + r.choice(match.group(1).split("|")) + text[match.end() :]
    return re.sub(r"\s+", " ", text.format(**slots)).strip(" ,")


def answers(intent: Intent, slots: Slots) -> list[str]:
    """Every answer that is right."""
    if intent.answers == ("@pay",):
        pay = slots["pay"]
        if pay in REFUSED:
            rest = "You can pay by card, PayPal or bank transfer."
            return [f"I am sorry, we do not accept {pay}. {rest}", f"Sorry, {pay} is not accepted. {rest}"]
        rest = "Just select it at checkout."
        return [f"Yes, we accept {pay}. {rest}", f"Yes, you can pay with {pay}. {rest}"]
    if intent.answers == ("@recommend",):
        product, price, why = RECOMMENDED[slots["recommended"]]
        return [
            f"I recommend the {product} for ${price}, because {why}.",
            f"A good choice is the {product} for ${price}, because {why}.",
        ]
    return [answer.format(**slots) for answer in intent.answers]
