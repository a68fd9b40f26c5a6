"""The main text of web pages by trafilatura (extra `web`). Nothing is fetched: pages are what the rows hold."""

from __future__ import annotations

import msgspec
import trafilatura

_MAX_CHARACTERS = 10_000_000  # of a page; parsing takes some hundred times its size in memory


class TrafilaturaExtractor(msgspec.Struct, frozen=True):
    """See `PageExtractor`."""

    def extract(self, page: str, precision: bool, comments: bool, tables: bool) -> str | None:
        if len(page) > _MAX_CHARACTERS:
            return None
        text: str | None = trafilatura.extract(
            page, favor_precision=precision, include_comments=comments, include_tables=tables, deduplicate=False
        )
        return text or None
