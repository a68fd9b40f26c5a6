"""All items of a run or a comparison as a list that opens item by item, with a filter and a search where scripts run.

The list is whole without scripts. Texts are cut to the longest of a few lengths at which the list keeps to a budget of
bytes; items that do not fit even so are left out at the end and counted.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

from steward.web.page import card

LENGTHS: Final = (1_200, 600, 300, 160, 80, 40)  # of one text, in characters
_DIFFED: Final = 4_000  # characters; longer texts are shown as they are
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")


class ListedItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item: `state` is what the filter goes by; `texts`: head and words; `compared`: whose words are shown with
    what changed, given the index of the text before."""

    id: str
    state: str
    note: str
    texts: tuple[tuple[str, str], ...]
    compared: int | None = None  # the last text against the text of this index


class ItemList(msgspec.Struct, frozen=True):
    """The list as HTML, and whether every word of every item is in it."""

    html: str
    whole: bool


def render_item_list(items: Sequence[ListedItem], budget: int, longest: int = LENGTHS[0], more: str = "") -> ItemList:
    """At most `budget` bytes. `more`: the name of a file beside the page, which holds what does not fit."""
    for length in (longest, *(each for each in LENGTHS if each < longest)):
        rows = [render_item(item, length) for item in items]
        sizes = [len(row.encode()) for row in rows]
        if sum(sizes) <= budget:
            break
    shown = _count_fitting(sizes, budget)
    uncut = all(len(words) <= length for item in items for _, words in item.texts)
    note = _describe_cut(len(items), shown, length if not uncut else None, more)
    states = list(dict.fromkeys(item.state for item in items))
    body = f'<div class="items">{_render_form(states)}{"".join(rows[:shown])}</div>'
    return ItemList(card(f"All items ({len(items):,})", note + body), shown == len(items) and uncut)


def _count_fitting(sizes: Sequence[int], budget: int) -> int:
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > budget:
            return count
    return len(sizes)


def _describe_cut(items: int, shown: int, length: int | None, more: str) -> str:
    if shown == items and length is None:
        return ""
    cut = [f"the first {shown:,} are listed"] if shown < items else []
    cut += [] if length is None else [f"texts end after {length:,} characters"]
    where = f' <a href="{escape(more)}">All of them, in full</a>.' if more else ""
    return f'<p class="quiet">To keep this page small, {" and ".join(cut)}.{where}</p>'


def _render_form(states: Sequence[str]) -> str:
    """Hidden unless the script shows it: without one it would do nothing."""
    options = "".join(f'<option value="{escape(state)}">{escape(state)}</option>' for state in states)
    return (
        '<form class="filter" hidden><label>Search <input type="search" name="words" autocomplete="off"></label>'
        f'<label>Show <select name="state"><option value="">all</option>{options}</select></label>'
        '<output class="quiet"></output></form>'
    )


def render_item(item: ListedItem, length: int) -> str:
    """As HTML, with at most so many characters of each text."""
    sides = "".join(
        f'<div><h3>{escape(head)}</h3><p class="words">{words or "<em>empty</em>"}</p></div>'
        for head, words in _render_texts(item, length)
    )
    head = " · ".join(filter(None, (item.id, item.state, item.note)))
    return (
        f'<details data-state="{escape(item.state)}"><summary>{escape(head)}</summary>'
        f'<div class="sides">{sides}</div></details>'
    )


def _render_texts(item: ListedItem, length: int) -> Iterator[tuple[str, str]]:
    for index, (head, words) in enumerate(item.texts):
        if item.compared is not None and index == len(item.texts) - 1:
            yield head, render_changes(shorten_text(item.texts[item.compared][1], length), shorten_text(words, length))
        else:
            yield head, escape(shorten_text(words, length))


def shorten_text(text: str, length: int = LENGTHS[0]) -> str:
    """The first characters, and how many are missing."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length:,} more characters)"


def render_changes(before: str, after: str) -> str:
    """`after` as HTML with the words that are new and those that are gone, as `difflib` matches them.

    >>> render_changes("the cat sat", "the dog sat")
    'the <del>cat</del><ins>dog</ins> sat'
    """
    if max(len(before), len(after)) > _DIFFED:
        return escape(after)
    parts: list[str] = []
    for same, gone, new in _match_words(_WORDS.findall(before), _WORDS.findall(after)):
        parts.append(escape(same))
        parts.append((f"<del>{escape(gone)}</del>" if gone else "") + (f"<ins>{escape(new)}</ins>" if new else ""))
    return "".join(parts)


def _match_words(one: list[str], other: list[str]) -> Iterator[tuple[str, str, str]]:
    """What both have, then what only the first and only the second have there. A blank between two changes is no
    match: it would cut a new phrase into words."""
    same = gone = new = ""
    for kind, start, end, start_after, end_after in difflib.SequenceMatcher(None, one, other, False).get_opcodes():
        before, after = "".join(one[start:end]), "".join(other[start_after:end_after])
        if kind == "equal" and (before.strip() or not (gone or new)):
            yield same, gone, new
            same, gone, new = before, "", ""
        else:
            gone, new = gone + before, new + after
    yield same, gone, new
