"""Small word lists of our own, and lists of the user's: one entry a line, `#` begins a comment, `[name]` a group."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from steward.core.errors import InputError, UnknownName

OWN = ("toxic", "groups", "stop_words")


@lru_cache
def lexicon(name: str) -> dict[str, frozenset[str]]:
    """Entries in lower case by group ('' where there is none), of our list `name` or of the file at that path.

    :raises InputError: neither; or the file is not UTF-8, or holds no entry.
    """
    if name in OWN:
        text = files(__package__).joinpath(f"{name}.txt").read_text("utf-8")
    elif not Path(name).is_file():
        raise UnknownName("lexicon or file", name, OWN)
    else:
        try:
            text = Path(name).read_text("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"lexicon {name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    groups: dict[str, set[str]] = {}
    group = ""
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip().casefold()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line:
            groups.setdefault(group, set()).update(word.strip() for word in line.split(",") if word.strip())
    if not groups:
        raise InputError(f"lexicon {name}: no entry; expected a word or phrase a line")
    return {name: frozenset(words) for name, words in groups.items()}
