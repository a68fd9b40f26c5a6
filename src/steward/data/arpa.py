"""N-gram models in ARPA's format, with back-off (Katz 1987, doi:10.1109/TASSP.1987.1165125), as KenLM reads them.

The format: https://cmusphinx.github.io/wiki/arpaformat/. Logarithms are to base 10. Ours, because KenLM has no wheel;
a model is a dict here, some 200 bytes an n-gram, so prune large ones (`lmplz --prune`).
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import msgspec

from steward.core.errors import InputError
from steward.core.file_stamp import file_stamp

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_NO_UNKNOWN = -100.0  # KenLM's logarithm of a word that a model without `<unk>` does not have
_ORDER = re.compile(r"\\(\d+)-grams:")


class NgramModel(msgspec.Struct, frozen=True):
    """Of each n-gram, its words joined by blanks, the logarithms of its probability and of its back-off weight."""

    order: int
    grams: dict[str, tuple[float, float]]

    def score(self, context: list[str], word: str) -> float:
        """The logarithm of the word's probability behind those words; the longest n-gram that is there counts."""
        penalty = 0.0
        for start in range(max(0, len(context) - self.order + 1), len(context) + 1):
            before = context[start:]
            if (known := self.grams.get(" ".join((*before, word)))) is not None:
                return penalty + known[0]
            if before:
                penalty += self.grams.get(" ".join(before), (0.0, 0.0))[1]
        return penalty + _NO_UNKNOWN


def measure_perplexity(text: str, model: NgramModel) -> float | None:
    """10 to the mean of -log10 over words and ends of sentences, as KenLM's `query` has it; None without words."""
    total, count = 0.0, 0
    for line in text.splitlines():
        words = [word if word in model.grams else UNKNOWN for word in line.split()]
        if not words:
            continue
        context = [BEGIN]
        for word in (*words, END):
            total += model.score(context, word)
            context = [*context, word][-(model.order - 1) :] if model.order > 1 else []
        count += len(words) + 1
    return float(10 ** min(-total / count, 300.0)) if count else None


def load_model(file: str) -> NgramModel:
    """:raises InputError: no such file, or it is no ARPA file"""
    return _load_model(file, file_stamp(file))


@lru_cache(maxsize=2)
def _load_model(file: str, stamp: tuple[int, int]) -> NgramModel:
    opener: Any = gzip.open if file.endswith(".gz") else open
    try:
        with opener(file, "rt", encoding="utf-8") as lines:
            return _read_model(lines, Path(file).name)
    except OSError as error:
        raise InputError(f"perplexity: {file} cannot be read ({error}); expected an ARPA file") from None
    except UnicodeDecodeError:
        raise InputError(
            f"perplexity: {file} is no ARPA file; expected the text that KenLM's `lmplz` writes, not a binary of it"
        ) from None


def _read_model(lines: IO[str], name: str) -> NgramModel:
    grams: dict[str, tuple[float, float]] = {}
    order = longest = 0
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if match := _ORDER.fullmatch(line):
            order = int(match.group(1))
            longest = max(longest, order)
        elif line == "\\end\\":
            break
        elif order and line:
            fields = line.split("\t") if "\t" in line else _split_by_blanks(line, order)
            try:
                weight = float(fields[2]) if len(fields) > 2 else 0.0
                grams[" ".join(fields[1].split())] = (float(fields[0]), weight)
            except (ValueError, IndexError):
                raise InputError(f"perplexity: {name}:{number}: not a line of an ARPA file; is it whole?") from None
    else:
        raise InputError(
            f"perplexity: {name}: no line \\end\\; expected a whole ARPA file, as KenLM's `lmplz` writes it"
        )
    if not grams:
        raise InputError(f"perplexity: {name} has no n-gram; expected an ARPA file, as KenLM's `lmplz` writes it")
    return NgramModel(longest, grams)


def _split_by_blanks(line: str, order: int) -> list[str]:
    parts = line.split()
    return [parts[0], " ".join(parts[1 : order + 1]), *parts[order + 1 : order + 2]] if parts else []
