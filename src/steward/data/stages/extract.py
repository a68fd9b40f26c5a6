"""Makes texts of web pages: the main text of HTML, without menus, advertisements and footers.

By trafilatura (Barbaresi 2021, ACL demo, 2021.acl-demo.15; extra `web`), which tells text from boilerplate by the shape
of the page. Only documents are extracted; chats and pairs pass unchanged, as do documents that are no HTML.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pyarrow as pa

from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.stage import Result

_PAGE = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


class Extract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `extracted` (changed, the value is the length of the page) and `nothing_extracted` (dropped).

    `precision` leaves out what is doubtful, and loses some text with it; `comments` and `tables` keep those.
    `extractor` is a `PageExtractor`, which `steward data` gives the stage.
    """

    precision: bool = False
    comments: bool = False
    tables: bool = True
    extractor: Any = None  # PageExtractor | None

    def apply(self, batch: pa.RecordBatch) -> Result:
        if "text" not in batch.schema.names:
            return Result(batch)
        texts: list[str] = [text or "" for text in batch["text"].to_pylist()]
        changed: list[tuple[int, str, float, None]] = []
        dropped: list[tuple[int, str, float, None]] = []
        for index, page in enumerate(texts):
            if not is_page(page):
                continue
            text = self.extractor.extract(page, self.precision, self.comments, self.tables)
            if text:
                changed.append((index, "extracted", float(len(page)), None))
                texts[index] = text
            else:
                dropped.append((index, "nothing_extracted", float(len(page)), None))
        entries = (*make_entries(batch, "extract", "change", changed), *make_entries(batch, "extract", "drop", dropped))
        at = batch.schema.get_field_index("text")
        batch = batch.set_column(at, batch.schema.field(at), pa.array(texts, pa.large_string()))
        return Result(drop_rows(batch, {index for index, *_ in dropped}), entries)


def is_page(text: str) -> bool:
    """Whether a document is a web page.

    >>> is_page("<!DOCTYPE html><html><body>Hi</body></html>"), is_page("In HTML, <body> holds the page.")
    (True, False)
    """
    return _PAGE.match(text) is not None
