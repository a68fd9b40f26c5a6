"""Write the words that a capitalised word is compared with before it is taken for a name.

    python scripts/known_words.py SITE_PACKAGES... > src/steward/privacy/words/known.txt

A word of three letters or more is known if, in any case, it stands in the comments, docstrings and documents of at
least three of the distributions below the given folders. Software's prose knows ordinary words, products and large
towns, and few people; those whom it does know are found by the list of given names and by cues instead.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

LEAST = 3  # distributions
WORD = re.compile(r"(?<![A-Za-z])[A-Z]?[a-z]{2,14}(?![A-Za-z])")
PROSE = re.compile(r'"""(.*?)"""|#([^\n]*)', re.DOTALL)


def main(folders: list[str]) -> None:
    known: Counter[str] = Counter()
    for folder in folders:
        for top in sorted(Path(folder).iterdir()):
            words: set[str] = set()
            for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
                if path.suffix in (".py", ".md", ".rst", ".txt") or path.name == "METADATA":
                    words |= read(path)
            known.update(words)
    print("# Made by scripts/known_words.py.")
    line = ""
    for word in sorted(word for word, count in known.items() if count >= LEAST):
        if len(line) + len(word) > 118:
            print(line)
            line = ""
        line += f" {word}" if line else word
    print(line)


def read(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8")[:2_000_000]
    except (OSError, UnicodeDecodeError):
        return set()
    if path.suffix == ".py":
        text = " ".join(first or second for first, second in PROSE.findall(text))
    return {word.lower() for word in WORD.findall(text)}


if __name__ == "__main__":
    main(sys.argv[1:])
