"""`decontaminate`: no row that quotes an evaluation set may be trained on.

A row goes when it shares a run of `ngram` words with a text of an item (13 words: Brown et al. 2020, Language Models
are Few-Shot Learners, appendix C, which also looks for shorter ones whole, from 8 words). Every text field of an item
is looked for on its own, and all of its fields together; of a text with tags or entities also without them, and of JSON
within a text what it says. Words are normalised as for MinHash: case, punctuation and the values of numbers do not hide
a copy.

A text of `shortest` to `ngram` - 1 words is also found with other stop words, where half of `shortest` of its words are
none; of the others the run warns, too: those are looked for to the letter.

A text of 3 to `shortest` - 1 words would be found by chance inside others. It is looked for as a whole: a document, a
message or a field of a pair that says the same, or says it with other stop words; here numbers count. So is a text of
up to `ngram` - 1 words where one slip is all that differs (`short_texts.py`). The run warns of items all of whose texts
are shorter still: those are not looked for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.core.file_stamp import file_stamp
from steward.data.bad_row import BadRow
from steward.data.config import Format, Source
from steward.data.content_runs import ContentRuns, index_content_runs, keep_content_words
from steward.data.formats import detect_format, guess_format, read_source_rows
from steward.data.formats.compression import open_utf8, read_lines
from steward.data.formats.json_file import find_records, is_whole_json
from steward.data.read_plan import Shard
from steward.data.row_strings import decode_container, get_content_texts, list_strings
from steward.data.shingles import SortedHashes, TextHashes, hash_ngrams, hash_words, index_hashes
from steward.data.short_texts import MIN_WORDS, ShortTexts, index_short_texts
from steward.data.stage import Entry, Result, filter_rows
from steward.data.stage_files import list_files

NAME = "decontaminate"
_HEAD_BYTES = 1 << 16  # of a file whose name does not tell what it is
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x7f]")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_MAX_SHORT_CHARACTERS = 600  # a longer string of a row is not compared with short items


class Decontaminate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `contaminated`: `value` is the share of the row's runs found in items, `duplicate_of` the item (file:line).

    `against` names files and folders by glob pattern, in every format that `input.path` takes, and YAML; other texts
    are read line by line. A pattern without files and a file without items are errors: a check against nothing must not
    pass.
    """

    files: ClassVar = ("against",)
    against: tuple[str, ...]
    ngram: Annotated[int, msgspec.Meta(ge=2, le=64)] = 13
    shortest: Annotated[int, msgspec.Meta(ge=1)] = 8

    def check(self) -> list[str]:
        """What cannot be looked for. :raises InputError: a file that cannot be read, or none at all"""
        index = self._load_index()
        needed = count_needed_words(self.shortest)
        reasons = {
            f"have no text of {MIN_WORDS} words and are not looked for": index.unsearched,
            f"have a text of {self.shortest} to {self.ngram - 1} words, fewer than {needed} of them no stop words: "
            "within longer texts it is looked for to the letter": index.literal,
        }
        return [f"{count:,} of {len(index.names):,} items {reason}" for reason, count in reasons.items() if count]

    def apply(self, batch: pa.RecordBatch) -> Result:
        words = hash_words(get_content_texts(batch))
        matching_runs = np.zeros(len(batch), np.int64)
        item_by_row = np.full(len(batch), -1, np.int64)
        index = self._load_index()
        for group in index.groups:
            values, offsets = hash_ngrams(words, group.length)
            hit, at = group.runs.locate(values)
            rows = np.searchsorted(offsets, hit, side="right") - 1
            matching_runs += np.bincount(rows, minlength=len(batch))
            touched, first = np.unique(rows, return_index=True)
            new = item_by_row[touched] < 0
            item_by_row[touched[new]] = group.items[at[first[new]]]
        total = np.maximum(np.diff(words.offsets) - self.ngram + 1, 1)  # runs of each row
        shares = np.minimum(matching_runs / total, 1.0)
        reworded = zip(*(found.tolist() for found in index.reworded.find(words)), strict=True)
        for row, item in chain(reworded, index.find_short(batch, self.shortest)):
            if item_by_row[row] < 0:
                item_by_row[row], shares[row] = item, 1.0
        ids, numbers = batch["id"].to_pylist(), batch["row"].to_pylist()
        entries = [
            Entry(
                row=numbers[row], id=ids[row], stage=NAME, action="drop", rule="contaminated", value=float(shares[row]),
                threshold=0.0, duplicate_of=index.names[item_by_row[row]],
            )
            for row in np.flatnonzero(item_by_row >= 0).tolist()
        ]  # fmt: skip
        return filter_rows(batch, pa.array(item_by_row < 0), entries)

    def _load_index(self) -> _Index:
        files = tuple(path for pattern in self.against for path in find_evaluation_files(pattern))
        return _build_index(files, tuple(map(file_stamp, files)), self.ngram, self.shortest)


class _NgramIndex(NamedTuple):
    """Runs of one length, ascending, and of each the first item that has it."""

    length: int
    runs: SortedHashes
    items: NDArray[np.int64]


class _Index(NamedTuple):
    """What there is to look for."""

    names: list[str]  # of the items: file:line
    groups: list[_NgramIndex]
    short: dict[int, int]  # the key of each short text, and its first item
    slips: ShortTexts  # texts of up to `ngram` - 1 words
    reworded: ContentRuns  # texts of `shortest` to `ngram` - 1 words
    unsearched: int  # items without a text that can be looked for
    literal: int  # items with a text of that length that `reworded` leaves out

    def find_short(self, batch: pa.RecordBatch, shortest: int) -> Iterator[tuple[int, int]]:
        """(row, item) where a string of the row is a short text of an item."""
        if not self.short and not self.slips.words:
            return
        owners, strings = list_strings(batch)
        places = [place for place, string in enumerate(strings) if len(string) <= _MAX_SHORT_CHARACTERS]
        compared = [strings[place] for place in places]
        words = hash_words(compared, keep_numbers=True)
        content = keep_content_words(words)
        key_lists = _make_whole_keys(words, content, 2 * shortest)
        for place, keys in zip(places, key_lists, strict=True):
            for key in keys:
                if key in self.short:
                    yield owners[place], self.short[key]
                    break
        for position, item in self.slips.find(compared, words, content, 2 * shortest):
            yield owners[places[position]], item


@lru_cache(maxsize=4)
def _build_index(files: tuple[str, ...], stamps: tuple[tuple[int, int], ...], ngram: int, shortest: int) -> _Index:
    """Read once a process, and again when a file has changed."""
    items = [item for path in files for item in read_item_values(path)]
    probes = [(index, text) for index, (_, value) in enumerate(items) for text in list_probes(value)]
    texts, owners = [text for _, text in probes], np.array([index for index, _ in probes], np.int64)
    words = hash_words(texts)
    lengths = np.diff(words.offsets)
    groups = _index_runs(words, owners, ngram, shortest)
    short: dict[int, int] = {}
    places = np.flatnonzero(lengths < shortest).tolist()
    searched = set(owners[lengths >= shortest].tolist())
    short_words = hash_words([texts[place] for place in places], keep_numbers=True)
    key_lists = _make_whole_keys(short_words, keep_content_words(short_words), shortest)
    for place, keys in zip(places, key_lists, strict=True):
        for key in keys:
            short.setdefault(key, int(owners[place]))
            searched.add(int(owners[place]))
    middle = np.flatnonzero((lengths >= shortest) & (lengths < ngram)).tolist()
    reworded, left_out = index_content_runs(
        hash_words([texts[at] for at in middle]), owners[middle], count_needed_words(shortest)
    )
    names = [name for name, _ in items]
    whole = np.flatnonzero(lengths < ngram).tolist()
    slips = index_short_texts([texts[at] for at in whole], owners[whole])
    return _Index(names, groups, short, slips, reworded, len(items) - len(searched), len(set(left_out.tolist())))


def _index_runs(words: TextHashes, owners: NDArray[np.int64], ngram: int, shortest: int) -> list[_NgramIndex]:
    """Runs of texts (of `owners`, one item each) that are long enough, by length; a shorter text is one run."""
    lengths = np.diff(words.offsets)
    groups = []
    for length in sorted({min(int(size), ngram) for size in lengths if size >= shortest}):
        values, offsets = hash_ngrams(words, length)
        texts = np.repeat(np.arange(len(lengths)), np.diff(offsets))
        is_in_group = (lengths >= ngram if length == ngram else lengths == length)[texts]
        runs, first = np.unique(values[is_in_group], return_index=True)
        groups.append(_NgramIndex(length, index_hashes(runs), owners[texts[is_in_group][first]]))
    return groups


def _make_whole_keys(words: TextHashes, content: TextHashes, max_words: int) -> list[tuple[int, ...]]:
    """Of each text one key of all its words and one of those that are no stop words; none of too few or many words."""
    counts = np.diff(content.offsets)
    keys: list[tuple[int, ...]] = []
    whole = [hash_ngrams(some, max_words) for some in (words, content)]
    for place, length in enumerate(np.diff(words.offsets).tolist()):
        if not MIN_WORDS <= length <= max_words:
            keys.append(())
            continue
        hashes = [int(whole[0].values[whole[0].offsets[place]])]
        if counts[place] >= MIN_WORDS:
            hashes.append(int(whole[1].values[whole[1].offsets[place]]) ^ 1)
        keys.append(tuple(hashes))
    return keys


def count_needed_words(shortest: int) -> int:
    """How many content words a text has to have: about half of the words of running English are stop words."""
    return max((shortest + 1) // 2, 1)


def list_probes(value: Any) -> list[str]:
    """Every text of an item, and all of them together."""
    texts = list(dict.fromkeys(_collect_strings(value)))
    return [*texts, "\n".join(texts)] if len(texts) > 1 else texts


def find_evaluation_files(pattern: str) -> list[str]:
    """:raises InputError: no file matches"""
    files = list_files(pattern)
    if not files:
        raise InputError(f"decontaminate: no file matches {pattern!r}; name the sets, or leave the stage out")
    return files


def read_items(path: str) -> Iterator[tuple[str, str]]:
    """(file:line, text) of each item, its fields one after another."""
    for name, value in read_item_values(path):
        yield name, "\n".join(_collect_strings(value))


def read_item_values(path: str) -> Iterator[tuple[str, Any]]:
    """(file:line, item).

    :raises InputError: a line that cannot be read hides an item; a file without an item, which would be looked for in
        vain; bytes that are no text
    """
    is_empty = True
    for name, value in _read_values(path):
        is_empty = False
        yield name, value
    if is_empty:
        raise InputError(f"{path}: no item in it; expected at least one, since a check against nothing must not pass")


def _read_values(path: str) -> Iterator[tuple[str, Any]]:
    source = Source(path=path, max_line_mb=1024)
    kind = detect_format(path, source) if guess_format(Path(path).name) else _guess_content(path, source)
    shard = Shard(0, path, path, kind or "txt")
    if kind in ("csv", "tsv"):  # whose first line may be an item
        yield from _read_cells(shard, source)
        return
    if kind is None:
        yield from _read_yaml(path, source)
        return
    for row in read_source_rows(shard, source):
        name = f"{path}:{row.number}"
        value = row.other if isinstance(row.other, str | list) else row.value  # an item may be a text alone
        if isinstance(value, BadRow):
            raise InputError(f"{name}: {value.seen}; repair it, since it hides an item of the evaluation set")
        if value is not None:
            yield name, value


def _guess_content(path: str, source: Source) -> Format | None:
    """What a file is whose name does not tell; None for YAML. :raises InputError: bytes that are no text"""
    if Path(path).name.lower().endswith((".yaml", ".yml")):
        return None
    try:
        with open_utf8(path, source) as opened:
            head = opened.peek(_HEAD_BYTES)
            head[: head.rfind(b"\n") + 1 or len(head)].decode()
    except (OSError, UnicodeDecodeError):
        head = b"\0"
    if _BINARY.search(head):
        raise InputError(f"decontaminate: {path} is no text; expected JSON, parquet, CSV, YAML or plain text")
    if head.lstrip()[:1] not in (b"{", b"["):
        return "txt"
    return "json" if is_whole_json(path, source) else "jsonl"


def _read_yaml(path: str, source: Source) -> Iterator[tuple[str, Any]]:
    try:
        with open_utf8(path, source) as opened:
            top = yaml.safe_load(b"".join(iter(lambda: opened.read(1 << 20), b"")))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]}); repair it") from None
    yield from ((f"{path}:{number}", item) for number, item in enumerate(find_records(top), 1) if item is not None)


def _read_cells(shard: Shard, source: Source) -> Iterator[tuple[str, list[str]]]:
    """Every line as its cells, by the delimiter that the first line has."""
    lines = iterate_texts(shard, source)
    try:
        first = next(lines, "")
        marks = ("\t",) if shard.format == "tsv" else (",", ";", "\t", "|")
        delimiter = max(marks, key=first.count)
        for number, cells in enumerate(csv.reader(chain([first], lines), delimiter=delimiter), 1):
            if any(cells):
                yield f"{shard.path}:{number}", cells
    except UnicodeDecodeError:
        raise InputError(f"{shard.path}: bytes that are not UTF-8; expected UTF-8, since they hide an item") from None
    except csv.Error as error:
        raise InputError(f"{shard.path}: not CSV ({error}); repair it, since it hides an item") from None


def iterate_texts(shard: Shard, source: Source) -> Iterator[str]:
    """The lines of a file, each with its end."""
    for line in read_lines(shard, source):
        yield (line.decode() if isinstance(line, bytes) else "") + "\n"


def _collect_strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        inner = decode_container(item)
        if inner is None:
            yield item
            plain = unescape(_TAG.sub(" ", item)) if "<" in item or "&" in item else item
            if plain != item:
                yield plain
        else:
            yield from _collect_strings(inner)
    elif isinstance(item, dict | list):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _collect_strings(part)
