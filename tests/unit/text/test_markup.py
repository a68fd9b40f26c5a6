"""What markup splits or spells (HTML's character references, JSON's and URLs' escapes), and where it stood."""

from __future__ import annotations

import pytest

from steward.text.markup import remove_markup


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<b>bob</b>@example.com", "bob@example.com"),
        ('4111<span class="x">1111</span>', "41111111"),
        ("a<!-- x -->b", "ab"),
        ("a<BR/>b<wbr>c", "a<BR/>bc"),  # a line break parts words
        ("bob&#64;x &#x40; &commat; &nbsp;.", "bob@x @ @ \xa0."),
        ("bob\\u0040x", "bob@x"),
        ("bob%40x", "bob@x"),
        ("`536`-90-4399", "536-90-4399"),
        ("4111 **1111** 1111", "4111 1111 1111"),
        ("**bob**@x", "**bob@x"),
        ("536-~~90~~-4399", "536-90-4399"),
    ],
)
def test_markup_goes_and_what_it_spells_stays(text: str, plain: str) -> None:
    found = remove_markup(text)
    assert found is not None and found.text == plain


@pytest.mark.parametrize("text", ["", "bob@example.com", "a < b && c", "a*b", "`x`", "<p>a</p>", "&nope", "100% sure"])
def test_what_has_none_that_matters_stays(text: str) -> None:
    assert remove_markup(text) is None


@pytest.mark.parametrize(
    ("text", "part", "original"),
    [
        ("x <b>bob</b>@y", "bob@y", "bob</b>@y"),
        ("bob&#64;y z", "bob@y", "bob&#64;y"),
        ("a &#64;", "@", "&#64;"),
        ("a &#64;b", "@b", "&#64;b"),
        ("&#65;&#66;", "AB", "&#65;&#66;"),
        ("<b>bob</b> and carol", "bob", None),
        ("<b>bob</b> and carol", "carol", None),
    ],
)
def test_what_is_found_is_located_with_its_markup(text: str, part: str, original: str | None) -> None:
    plain = remove_markup(text)
    assert plain is not None
    start = plain.text.index(part)
    place = plain.locate(start, start + len(part))
    assert (place and text[slice(*place)]) == original
