"""N-gram models in ARPA's format, with back-off (Katz 1987, doi:10.1109/TASSP.1987.1165125), as KenLM reads them.

The format: https://cmusphinx.github.io/wiki/arpaformat/. Logarithms are to base 10. Ours, because no wheel of KenLM is
kept for the Pythons that we run on; a model is a dict here, some 200 bytes an n-gram, so prune large ones
(`lmplz --prune`). Not read: KenLM's binaries, which hold n-grams as hashes; no tool of KenLM's turns them back.
"""

from __future__ import annotations

import io
import lzma
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import IO

import msgspec

from steward.core.errors import InputError
from steward.core.file_stamp import file_stamp
from steward.data.formats.compression import open_file

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_NO_UNKNOWN = -100.0  # KenLM's logarithm of a word that a model without `<unk>` does not have
_ORDER = re.compile(r"\\(\d+)-grams:")
_BINARY = b"mmap lm http://kheafield.com/code"  # kHeader of KenLM's lm/binary_format.cc


class NgramModel(msgspec.Struct, frozen=True):
    """Of each n-gram, its words joined by blanks, the logarithms of its probability and of its back-off weight."""

    order: int
    grams: dict[str, tuple[float, float]]

    def score(self, context: list[str], word: str) -> float:
        """The logarithm of the word's probability behind those words; the longest n-gram that is there counts."""
        penalty = 0.0
        for start in range(max(0, len(context) - self.order + 1), len(context)):
            before = context[start:]
            if (known := self.grams.get(" ".join((*before, word)))) is not None:
                return penalty + known[0]
            penalty += self.grams.get(" ".join(before), (0.0, 0.0))[1]
        return penalty + self.grams.get(word, (_NO_UNKNOWN, 0.0))[0]


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
            context = [*context, word][-model.order :]  # more never counts
        count += len(words) + 1
    return float(10 ** min(-total / count, 300.0)) if count else None


def load_model(file: str) -> NgramModel:
    """:raises InputError: no such file, or it is no ARPA file"""
    return _load_model(file, file_stamp(file))


@lru_cache(maxsize=2)
def _load_model(file: str, stamp: tuple[int, int]) -> NgramModel:
    try:
        with open_file(file) as opened:
            if opened.read(len(_BINARY)) == _BINARY:
                raise InputError(
                    f"perplexity: {file} is a binary of KenLM, which does not hold its n-grams as text; expected the "
                    "ARPA file that it was built from. Where it is gone, make one: lmplz -o 5 < corpus.txt > model.arpa"
                )
        with open_file(file) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig") as lines:
            return _read_model(lines, Path(file).name)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"perplexity: {file} cannot be read ({error}); expected an ARPA file") from None
    except UnicodeDecodeError:
        raise InputError(
            f"perplexity: {file} is no ARPA file; expected the text that KenLM's `lmplz` and SRILM write"
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
