"""How long words are in each language, and what `gopher@language` keeps of its manual pages.

    python benchmarks/measure_languages.py [--folder /usr/share/man]

Reads the translated manual pages of this machine (Debian packages `manpages-de`, `manpages-ja` and so on, and those
that programs bring); nothing of them is kept. A page counts with 1,500 characters or more. Prints for each language the
median over its pages of the mean length of words, which `steward/data/gopher_languages.py` has, and how many pages
`gopher@datatrove` and `gopher@language` keep.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
from pathlib import Path

from steward.adapters.segmenters import LibrarySegmenter
from steward.data.gopher import filter_like_datatrove
from steward.data.gopher_languages import filter_by_language, measure_words, split_words

_LANGUAGES = {"zh_CN": "zh", "zh_TW": "zh", "pt_BR": "pt"}
_TEXT = re.compile(r"\.(?:SH|SS|B|I|BR|IR|BI|IB|RB|RI|IP|TP|PP|P|LP|br|sp)\b ?(.*)")
_ESCAPE = re.compile(r"\\f[BIRP1234]|\\f\(..|\\s[+-]?\d|\\[&,/|^%]")


def read_page(path: Path) -> str:
    """The text of a page of troff, without its requests."""
    lines = []
    for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").split("\n"):
        if line.startswith(("'", ".")):
            match = _TEXT.match(line)
            if match is None:
                continue
            line = match.group(1).replace('"', "")
            if re.match(r"\.(?:SH|SS|IP|TP|PP|P|LP|sp)\b", match.group()):
                lines.append("")
        lines.append(_ESCAPE.sub("", line).replace("\\-", "-").replace("\\ ", " ").replace("\\e", "\\"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/usr/share/man"))
    folder = parser.parse_args().folder
    segmenter = LibrarySegmenter()
    pages: dict[str, list[str]] = {}
    for place in [folder, *sorted(folder.glob("[a-z][a-z]*"))]:
        if place.name.startswith("man") and place != folder:
            continue
        files = place.glob("man*/*.gz")
        texts = [read_page(file) for file in sorted(files) if not file.is_symlink()]
        language = "en" if place == folder else _LANGUAGES.get(place.name, place.name)
        pages.setdefault(language, []).extend(text for text in texts if len(text) >= 1500)
    print(f"{'language':>8} {'pages':>6} {'median':>7} {'@datatrove':>11} {'@language':>10}")
    for language, texts in sorted(pages.items()):
        if len(texts) < 5:
            continue
        texts = texts[:200]
        measured = [measure_words(split_words(text, language, segmenter), language) for text in texts]
        means = [characters / words for words, characters in measured if words]
        kept = [
            sum(isinstance(verdict, str) for verdict in verdicts)
            for verdicts in (
                filter_like_datatrove(texts, {}),
                filter_by_language(texts, [language] * len(texts), {}, segmenter),
            )
        ]
        print(f"{language:>8} {len(texts):>6} {statistics.median(means):>7.2f} {kept[0]:>11} {kept[1]:>10}", flush=True)


if __name__ == "__main__":
    main()
