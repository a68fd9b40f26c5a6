"""A suite's items asked in another way: what is changed in a row before it becomes a question.

Only fields of the data that stand in what the user says are changed, never the template's own words, and never
references but for the order of options, which moves the right letter. An item that a change cannot touch is left out of
the changed suite: an unchanged question would answer the same and water the difference down.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from steward.core.errors import InputError, UnknownName
from steward.evaluation.suite import (
    QuestionChange,
    Suite,
    SuiteSpec,
    list_asked_fields,
    load_suite,
    load_suite_spec,
    option_letters,
)
from steward.text.perturbations import CHANGES, replace_synonyms
from steward.text.swaps import swap_kinds, swap_text

OPTIONS: Final = "options-order"
PARAPHRASES: Final = "paraphrases"  # field of other wordings of the item's first field that is asked


def known_changes() -> list[str]:
    """Names that `use` may have."""
    return [*CHANGES, OPTIONS, *swap_kinds()]


def check_change(change: QuestionChange, spec: SuiteSpec, where: Path | str) -> None:
    """:raises InputError: not exactly one thing to do, an unknown name, a field that is not asked"""
    actions = [name for name in ("use", "append", "prepend", "replace") if getattr(change, name)]
    if len(actions) != 1:
        raise InputError(
            f"{where}: a change has {actions or 'no action'}; expected exactly one of use, append, prepend, replace"
        )
    if change.use and change.use not in known_changes():
        raise UnknownName("change", change.use, known_changes(), str(where))
    if change.use == OPTIONS and spec.choices is None:
        raise InputError(
            f"{where}: {OPTIONS} needs the key `choices` in the suite: the name of the field that lists the options"
        )
    asked = list_asked_fields(spec)
    if gone := [field for field in change.fields if field not in asked]:
        raise UnknownName("prompt field", gone[0], asked, str(where))


def rewrite_suite(path: Path, change: QuestionChange, limit: int | None = None) -> Suite:
    """The items that the change touches, with the ids, slices and clusters they had.

    :raises InputError: as `load_suite` and `check`
    """
    spec = load_suite_spec(path)
    check_change(change, spec, path)
    return load_suite(path, limit, lambda row, name: _rewrite_row(row, name, change, spec))


def _rewrite_row(row: dict[str, Any], name: str, change: QuestionChange, spec: SuiteSpec) -> dict[str, Any] | None:
    """None where there is nothing to change, or a swap could not be undone."""
    known = name if spec.id is not None else json.dumps(row, sort_keys=True, default=str)  # wherever its row stands
    rng = random.Random(f"{change.seed}/{change.title}/{known}")  # of the item, so that no other one moves it
    if change.use == OPTIONS:
        return _reorder_options(row, spec, rng)
    asked = [field for field in list_asked_fields(spec) if isinstance(row.get(field), str)]
    fields = [field for field in change.fields or asked if field in asked]
    if change.use == "paraphrase" and row.get(PARAPHRASES) and fields:
        return {**row, fields[0]: rng.choice(_read_paraphrases(row, name))}
    change_text = _text_rewriter(change, rng)
    new: dict[str, str | None] = {field: change_text(row[field]) for field in fields}
    if change.append or change.prepend:  # to one field, the last one asked or the first
        end = fields[-1:] if change.append else fields[:1]
        new = {field: new[field] for field in end}
    if None in new.values() or all(row[field] == text for field, text in new.items()):
        return None
    return {**row, **new}


def _text_rewriter(change: QuestionChange, rng: random.Random) -> Callable[[str], str | None]:
    if change.swaps:
        return lambda text: swap_text(text, change.use)
    if change.use == "synonyms":
        return lambda text: replace_synonyms(text, rng, change.words)
    if change.use:
        return lambda text: CHANGES[change.use](text, rng)
    return lambda text: change.prepend + _replace_pairs(text, change.replace) + change.append


def _replace_pairs(text: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        text = text.replace(old, new)
    return text


def _read_paraphrases(row: dict[str, Any], name: str) -> Sequence[str]:
    paraphrases = row[PARAPHRASES]
    if not isinstance(paraphrases, list) or not all(isinstance(text, str) and text.strip() for text in paraphrases):
        raise InputError(f"item {name!r}: {PARAPHRASES} is not a list of texts")
    return paraphrases


def _reorder_options(row: dict[str, Any], spec: SuiteSpec, rng: random.Random) -> dict[str, Any] | None:
    """The options in another order; references become the options' texts, whose letters follow from the order."""
    field, references = str(spec.choices), str(spec.references)
    options = row.get(field)
    if not isinstance(options, list) or len(set(map(str, options))) < 2:
        return None
    right = [str(options[ord(letter) - ord("A")]) for letter in option_letters(row.get(references), options, "")]
    order = list(options)
    while order == options:
        rng.shuffle(order)
    return {**row, field: order, references: right}
