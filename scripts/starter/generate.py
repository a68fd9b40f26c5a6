"""Writes the starter's training dialogues, and the sets that ship for measuring, from a seed.

python scripts/starter/generate.py WORK     # WORK/train.jsonl, and src/steward/starter/sets/*.jsonl
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from grammar import HERE, Intent, answers, expand, part, read
from values import draw
from wording import plain, styled

SHIPPED: Final = HERE.parent.parent / "src" / "steward" / "starter"
DIALOGUES: Final = 150_000
SYSTEMS: Final = (
    "You are a helpful assistant.",
    "You are the support assistant of Harbour Lane, an online shop.",
    "You are a customer support assistant for an online shop. Answer briefly.",
    "Answer the customer.",
    "You work for Harbour Lane. Be polite and short.",
)
NUMBER_REPLIES: Final = (
    "{o}|it is {o}|#{o}|my order number is {o}|the number is {o}|order {o}|it's #{o}|sure, {o}|yes, it is {o}|"
    "its {o}|that would be {o}|number {o}|here it is: {o}|ok {o}|{o} I think|order number {o}|yes {o}|nr {o}"
).split("|")
WEIGHTS: Final = {"out_of_scope": 7.0, "recommend": 1.6, "status": 1.6, "return": 1.4, "hello": 1.2}

Turn = dict[str, Any]


def turn(intent: Intent, templates: Sequence[str], r: random.Random, *, careful: bool = False) -> Turn:
    """One question with every right answer."""
    slots = draw(r)
    template = r.choice(templates)
    text = expand(template, slots, r)
    return {
        "topic": intent.topic,
        "intent": intent.name,
        "template": template,
        "user": plain(text) if careful else styled(text, r),
        "references": answers(intent, slots),
    }


def number_reply(status: Intent, r: random.Random) -> Turn:
    """What a customer says when asked for the order number."""
    slots = draw(r)
    text = r.choice(NUMBER_REPLIES).format(**slots)
    user = text if r.random() < 0.6 else text[0].upper() + text[1:]
    return {"user": user, "references": answers(status, slots)}


def dialogue(
    intents: Mapping[str, Intent], templates: Mapping[str, tuple[str, ...]], r: random.Random
) -> list[dict[str, str]]:
    """One to three questions and their answers, sometimes behind a system message."""
    names = list(intents)
    weights = [WEIGHTS.get(name, 1.0) for name in names]
    messages = [{"role": "system", "content": r.choice(SYSTEMS)}] if r.random() < 0.3 else []
    count = 1 if r.random() < 0.75 else r.choice((2, 2, 3))
    for position in range(count):
        name = r.choices(names, weights)[0]
        if position == 0 and count > 1 and r.random() < 0.3:
            name = "hello"
        turns = [turn(intents[name], templates[name], r)]
        if name == "status_no" and r.random() < 0.5:
            turns.append(number_reply(intents["status"], r))
        for item in turns:
            messages.append({"role": "user", "content": item["user"]})
            messages.append({"role": "assistant", "content": r.choice(item["references"])})
    return messages


def questions(intents: Mapping[str, Intent], *, held: bool, count: int, seed: int) -> list[Turn]:
    """`count` different questions, every intent about as often."""
    r = random.Random(seed)
    found: dict[str, Turn] = {}
    names = [name for name in intents if part(intents[name], held=held)]
    while len(found) < count:
        intent = intents[names[len(found) % len(names)]]
        for _ in range(50):
            item = turn(intent, part(intent, held=held), r, careful=r.random() < 0.3)
            if item["user"] not in found:
                break
        else:  # a small intent has run out of wordings: the next one takes its place
            names.remove(intent.name)
            continue
        found[item["user"]] = item
    return list(found.values())


def free_wordings(intents: Mapping[str, Intent]) -> list[dict[str, Any]]:
    """The sixty free wordings with the right answers for their slots."""
    rows = [json.loads(line) for line in (SHIPPED / "free_wordings.jsonl").read_text().splitlines()]
    for row in rows:
        given = row["slots"]
        slots = draw(random.Random(0)) | {
            "o": given.get("order", ""),
            "p": given.get("product", ""),
            "country": given.get("country", ""),
            "pay": given.get("pay", ""),
        }
        row["references"] = answers(intents[row["intent"]], slots)
    return rows


def squeezed(text: str) -> str:
    """Letters, digits and single spaces, lower case: what makes two wordings the same."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def main(work: Path) -> None:
    intents = read("intents_orders.txt") | read("intents_shop.txt") | read("intents_other.txt")
    gifts = read("intents_gift.txt")
    templates = {name: part(intent, held=False) for name, intent in intents.items()}
    free = free_wordings(intents)
    kept_out = {squeezed(row["user"]) for row in free}
    r = random.Random(0)
    seen: set[str] = set()
    while len(seen) < DIALOGUES:
        messages = dialogue(intents, templates, r)
        if not any(squeezed(message["content"]) in kept_out for message in messages):
            seen.add(json.dumps({"messages": messages}))
    lines = sorted(seen)
    r.shuffle(lines)
    work.mkdir(parents=True, exist_ok=True)
    (work / "train.jsonl").write_text("\n".join(lines) + "\n")
    sets = SHIPPED / "sets"
    write(sets / "seen.jsonl", questions(intents, held=False, count=500, seed=1))
    write(sets / "held_out.jsonl", questions(intents, held=True, count=1000, seed=2))
    write(sets / "gift_train.jsonl", questions(gifts, held=False, count=500, seed=3))
    write(sets / "gift_held_out.jsonl", questions(gifts, held=True, count=200, seed=4))
    write(SHIPPED / "free_wordings.jsonl", free)
    total = sum(len(intent.templates) for intent in intents.values())
    held = total - sum(map(len, templates.values()))
    print(f"{len(intents)} intents, {total} templates ({held} held out), {len(seen)} dialogues")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
