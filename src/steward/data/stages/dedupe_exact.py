"""`dedupe.exact`: of rows that say the same, the first in the input stays.

Of chats the roles, the boundaries of messages, tool calls and declared tools count too, of pairs each field. The same
means: equal 128-bit XXH3 hashes of the text in Unicode's composed form (NFC) with every run of white space as
one space. Case, punctuation and numbers count unless `ignore` names them. A chance collision among n texts has a
probability of about n² / 2¹²⁹: 10⁻²³ for 10⁸ texts. With `url`, a column, rows of the same address are the same
instead, whatever they say: without scheme, `www.`, default port, fragment, parameters of campaigns, and a slash at the
end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.data import decisions as decisions
from steward.data.row_strings import make_content_keys
from steward.data.row_values import list_value_names
from steward.data.stage import Result

NAME = "dedupe.exact"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PUNCTUATION = re.compile(r"[^\w\s\x01\x02]|_")  # the marks between fields and messages stay
_CAMPAIGN = re.compile(r"(?i)utm_|(?:fbclid|gclid|msclkid|mc_cid|mc_eid|igshid|ref_src)$")
_BLANKS = bytes(ord(" ") if chr(code).isascii() and chr(code).isspace() else code for code in range(256))


class DedupeExact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `exact_duplicate`, or `same_url`; the entry's `duplicate_of` is the id of the row that stays."""

    ignore: tuple[Literal["case", "punctuation", "numbers"], ...] = ()
    url: str | None = None

    def __post_init__(self) -> None:
        """:raises InputError: both are given"""
        if self.ignore and self.url:
            raise InputError("dedupe.exact: ignore and url are given; expected one of them")

    def _make_keys(self, batch: pa.RecordBatch) -> list[str]:
        if self.url is None:
            keys = make_content_keys(batch)
            return [simplify_text(key, self.ignore) for key in keys] if self.ignore else keys
        if self.url not in batch.schema.names:
            raise UnknownName("column", self.url, list_value_names(batch), "stage dedupe.exact, url")
        urls = batch[self.url].to_pylist()
        return [
            normalise_url(url) if url else f"\0{row}" for url, row in zip(urls, batch["row"].to_pylist(), strict=True)
        ]

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id` and the two halves of the hash."""
        digests = b"".join(xxhash.xxh3_128_digest(_canonical_bytes(text)) for text in self._make_keys(batch))
        halves = np.array(memoryview(digests).cast("Q") if digests else [], np.uint64).reshape(len(batch), 2).T
        columns = [batch["row"], batch["id"], *map(pa.array, halves.copy())]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "high", "low"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """Every later row of the same hash is merged into the first; 24 bytes a row are held in memory.

        Reads the surveys twice: the ids only of the rows that go and of those they name.
        """
        rule = "same_url" if self.url else "exact_duplicate"
        columns = [[batch[name].to_numpy().copy() for name in ("row", "high", "low")] for batch in surveys]
        if not columns:
            return decisions.make_decision([], action="merge", rule=rule)
        rows, high, low = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        order = np.lexsort((rows, low, high))
        is_first = np.ones(len(order), bool)
        is_first[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
        first_of_each = order[np.flatnonzero(is_first)][
            np.cumsum(is_first) - 1
        ]  # of each row in `order`, the first of its hash
        duplicates = np.flatnonzero(~is_first)
        duplicates = duplicates[np.argsort(rows[order[duplicates]])]
        ids = _read_ids(surveys, np.union1d(order[duplicates], first_of_each[duplicates]))
        return decisions.make_decision(
            rows[order[duplicates]],
            action="merge",
            rule=rule,
            ids=[ids[place] for place in order[duplicates].tolist()],
            duplicate_of=[ids[place] for place in first_of_each[duplicates].tolist()],
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, NAME)


def simplify_text(text: str, ignore: Sequence[str]) -> str:
    """The text without what is ignored: case folded, punctuation and symbols as spaces, every number as `0`.

    >>> simplify_text("It's 7, or 12.", ("case", "punctuation", "numbers"))
    'it s 0  or 0 '
    """
    if "case" in ignore:
        text = unicodedata.normalize("NFC", text).casefold()
    if "numbers" in ignore:
        text = _NUMBER.sub("0", text)
    return _PUNCTUATION.sub(" ", text) if "punctuation" in ignore else text


def normalise_url(url: str) -> str:
    """The address without what does not change the page, as a rule.

    >>> normalise_url("HTTPS://www.Example.com:443/a/?utm_source=x&b=2&a=1#top")
    'example.com/a?a=1&b=2'
    """
    address = url.strip()
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = (parts.hostname or "").removeprefix("www."), parts.port
    except ValueError:
        return address
    port_text = f":{port}" if port not in (None, 80, 443) else ""
    query = sorted((name, value) for name, value in parse_qsl(parts.query, True) if not _CAMPAIGN.match(name))
    return f"{host}{port_text}{parts.path.rstrip('/')}{'?' + urlencode(query) if query else ''}"


def _canonical_bytes(text: str) -> bytes:
    """Composed, every run of white space as one space. Bytes take a third of the time that words take."""
    if not text.isascii():
        return " ".join(unicodedata.normalize("NFC", text).split()).encode("utf-8", "surrogatepass")
    plain = text.encode().translate(_BLANKS)
    while b"  " in plain:
        plain = plain.replace(b"  ", b" ")
    return plain.strip(b" ")


def _read_ids(surveys: Iterable[pa.RecordBatch], places: NDArray[np.int64]) -> dict[int, str]:
    """Of the rows at these places, ascending, in the order of the surveys."""
    ids: dict[int, str] = {}
    first = 0
    for batch in surveys:
        low, high = np.searchsorted(places, [first, first + len(batch)])
        batch_places = places[low:high]
        ids.update(
            zip(batch_places.tolist(), batch["id"].take(pa.array(batch_places - first)).to_pylist(), strict=True)
        )
        first += len(batch)
    return ids
