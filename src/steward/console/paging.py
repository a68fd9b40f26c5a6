"""Which rows of a long list a page shows, and the addresses of the pages beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

Row = TypeVar("Row")
Otherwise = TypeVar("Otherwise")

PAGE_ROWS: Final = 50
MOST_LETTERS: Final = 200  # of a word that a page is filtered by
_MOST_DIGITS: Final = 9  # of a page's number


class RowPage(NamedTuple, Generic[Row]):
    """One page of a list. `before` and `after` are addresses, empty where there is none."""

    rows: Sequence[Row]
    total: int
    first: int  # number of the first row shown, from 1; 0 where there is none
    last: int
    before: str
    after: str


def take_page(rows: Sequence[Row], query: Mapping[str, str], path: str, size: int = PAGE_ROWS) -> RowPage[Row]:
    """The page that `query` asks for by `page`, from 1; the nearest one where that does not exist.

    >>> take_page(range(5), {"words": "a b", "page": "2"}, "/keys", size=2)
    RowPage(rows=range(2, 4), total=5, first=3, last=4, before='/keys?words=a+b', after='/keys?words=a+b&page=3')
    """
    pages = max(1, -(-len(rows) // size))
    at = min(max(1, read_number(query.get("page", ""), 1)), pages)
    shown = rows[(at - 1) * size : at * size]
    first = (at - 1) * size + 1 if shown else 0
    before = write_address(path, query, page="" if at == 2 else str(at - 1)) if at > 1 else ""
    after = write_address(path, query, page=str(at + 1)) if at < pages else ""
    return RowPage(shown, len(rows), first, first + len(shown) - 1 if shown else 0, before, after)


def read_number(text: str, otherwise: Otherwise) -> int | Otherwise:
    """A whole number of few digits.

    >>> read_number("12", 1), read_number("-3", 1), read_number("9" * 40, 1)
    (12, 1, 1)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else otherwise


def write_address(path: str, query: Mapping[str, str], **changes: str) -> str:
    """The same page with other parameters; empty ones are left out.

    >>> write_address("/audit", {"who": "anna", "page": "3"}, page="")
    '/audit?who=anna'
    """
    wanted = {name: value for name, value in {**query, **changes}.items() if value}
    return f"{path}?{urlencode(wanted)}" if wanted else path


def match_words(words: str, *texts: str | None) -> bool:
    """Whether each of the words stands in one of the texts, in whatever case.

    >>> match_words("web KEY", "the key", "Web shop"), match_words("", "a"), match_words("b", "a", None)
    (True, True, False)
    """
    lower = [text.casefold() for text in texts if text]
    return all(any(word in text for text in lower) for word in words.casefold().split())
