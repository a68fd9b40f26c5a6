"""Whether what comes next in a text would be a part of a URL, or of markup that a reader's program acts on.

Follows a text piece by piece, as a stream brings it, and keeps no more than a few thousand characters of it. Who reads
a URL decides where it ends: in Markdown at a space or a line break (CommonMark 0.31, "Links"), and not at a quote,
another blank or an angle bracket; in a quoted string at the closing quote; in an HTML tag at the end of the tag. A URL
is also recognised where HTML or JSON spells its characters otherwise. Where it is not certain, it is taken for a URL.
"""

from __future__ import annotations

import html
import re
import string
from typing import Final

MOST_KEPT: Final = 4096  # characters of one word or tag
_ENDS: Final = re.compile(r"([ \t\r\n<>\"'])")
_BLANKS: Final = " \t\r\n"
_QUOTES: Final = "\"'`"
_URL: Final = re.compile(
    r"//|\\\\|:[/\\]|\bwww\.|\burl\("
    r"|\b(?:https?|ftp|wss?):"
    r"|(?<![\w-])[\w-]+\.(?:[^\W\d_]{2,}|xn--[\w-]+)(?::\d+)?[/?#]"  # programs for chats make links of bare hosts
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?[/?#]"
    r"|\bdata:\w+/",
    re.IGNORECASE,
)
_SCHEME: Final = string.ascii_letters + string.digits + ".+-"
_ADDRESS_ONLY: Final = re.compile(r"<?(?:mailto:|tel:)?$", re.IGNORECASE)  # a link that tells nobody
_ADDRESS_ATTRIBUTE: Final = re.compile(r"=\s*[\"']?(?:mailto:|tel:)$", re.IGNORECASE)
_JSON_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_TAG_NAME: Final = re.compile(r"<([A-Za-z/!?][^\s/>]*)")
_ACTING: Final = frozenset(
    [
        *("a", "area", "audio", "base", "button", "embed", "form", "frame", "iframe", "image", "img", "input", "link"),
        *("meta", "object", "script", "source", "style", "track", "use", "video"),
    ]
)  # elements whose attributes a browser loads, follows or sends
_RAW: Final = ("script", "style")


class UrlContext:
    """Follows one text."""

    def __init__(self) -> None:
        self._word = ""  # since the last blank
        self._tag = ""  # from its "<" on; empty outside of tags
        self._quote = ""  # that the value of an attribute is in
        self._raw = ""  # the element whose content is no text

    def follow(self, text: str) -> None:
        if not self._tag and "<" not in text and len(self._word) + len(text) <= MOST_KEPT:  # of no tag: words alone
            blank = max(map(text.rfind, _BLANKS))
            self._word = self._word + text if blank < 0 else text[blank + 1 :]
            return
        for part in _ENDS.split(text):
            if part:
                if self._tag:
                    self._follow_tag(part)
                elif part == "<":
                    self._tag = part
                elif part in _BLANKS:
                    self._word = ""
                else:
                    self._extend_word(part)

    def is_in_url(self) -> bool:
        """Whether what comes next would be a part of a URL."""
        if self._raw:
            return True
        if len(self._tag) > 1 and not _ADDRESS_ATTRIBUTE.search(self._tag):
            return self._name_tag() in _ACTING or _URL.search(unescape(self._tag)) is not None
        return False if len(self._tag) > 1 else is_url_begun(self._word)

    def _name_tag(self) -> str:
        """Of an open tag that has come to its attributes."""
        name = _TAG_NAME.match(self._tag)
        return name[1].lower() if name and len(self._tag) > name.end() else ""

    def _follow_tag(self, part: str) -> None:
        if self._tag == "<" and not (part[0].isalpha() or part[0] in "/!?"):  # "a < b"
            self._tag = ""
            self._extend_word("<")
            self.follow(part)
        elif part == ">" and not self._quote:
            self._close_tag()
        elif part == "<" and not self._quote:
            self._tag = part
        elif part == "\n" and self._tag.endswith("\n") and self._name_tag() not in _ACTING:
            self._leave_tag()
        else:
            self._extend_tag(part)

    def _extend_tag(self, part: str) -> None:
        if self._quote:
            self._quote = "" if part == self._quote else self._quote
        elif part in _QUOTES and self._tag.rstrip().endswith("=") and not self._raw:
            self._quote = part
        self._tag += part
        if len(self._tag) > MOST_KEPT:
            name = _TAG_NAME.match(self._tag)
            begun = "//" if _URL.search(unescape(self._tag)) else ""
            self._tag = f"{name[0][:64] if name else '<x'} {begun} {self._tag[-MOST_KEPT // 2 :]}"

    def _close_tag(self) -> None:
        name = _TAG_NAME.match(self._tag)
        closed = name[1].lower() if name else ""
        if closed in _RAW or closed == f"/{self._raw}" or self._tag[1:].lower().startswith(f"/{self._raw or ' '}"):
            self._raw = closed if closed in _RAW else ""
        self._leave_tag()

    def _leave_tag(self) -> None:
        if "](" in self._word:  # no bracket ends the target of a link
            self._extend_word(f"{self._tag}>")
        else:
            self._word = ""
        self._tag = self._quote = ""

    def _extend_word(self, part: str) -> None:
        self._word += part
        if len(self._word) > MOST_KEPT:
            self._word = ("//" if is_url_begun(self._word) else "") + self._word[-MOST_KEPT // 2 :]


def is_url_begun(word: str) -> bool:
    """Whether what follows `word`, which has no blanks, is a part of a URL in it or of a link's target.

    >>> is_url_begun("![x](https://evil.example/?d="), is_url_begun("mail:"), is_url_begun('"https://a.example/","')
    (True, False, False)
    """
    word = unescape(word)
    _, link, target = word.rpartition("](")
    if link and target.count("(") >= target.count(")"):
        return _ADDRESS_ONLY.fullmatch(target) is None or target in ("", "<")
    position = 0
    while (begun := _URL.search(word, position)) is not None:
        before = word[: begun.start()].rstrip(_SCHEME)
        closing = word.find(before[-1], begun.end()) if before[-1:] and before[-1] in _QUOTES else -1
        if closing < 0:
            return True
        position = closing + 1
    return False


def unescape(text: str) -> str:
    """As a program reads what HTML or JSON spells otherwise."""
    if "\\u" in text:
        text = _JSON_ESCAPE.sub(lambda code: chr(int(code[1], 16)), text)
    return html.unescape(text) if "&" in text else text
