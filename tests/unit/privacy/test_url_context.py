"""What comes next in a text, and whether it would be a part of a URL: CommonMark 0.31, "Links"; HTML's tags."""

from __future__ import annotations

import random

import pytest

from steward.privacy.url_context import MOST_KEPT, UrlContext, is_url_begun, unescape


def follow(*pieces: str) -> bool:
    context = UrlContext()
    for piece in pieces:
        context.follow(piece)
    return context.is_in_url()


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("before", "inside"),
    [
        ("![x](https://evil.example/?d=", True),
        ("Write to ", False),
        ("", False),
        ("<img src='//e/?a=b ", True),
        ("<img src='//e/?a=b'> ", False),  # the tag has ended
        ("<img src='//e/?a=b>", True),  # in quotes it has not
        ("<a href=https://e> x", False),
        ("<a href=https://e>x</a>", False),
        ("<https://e\n\nnew paragraph ", False),
        ("<https://e\nsame paragraph ", True),
        ("<img alt='\n\n", True),  # a browser reads on
        ("see www.example.com/?q=", True),
        ("https://e/ ", False),
        ("https://e/\r", False),
        ("https://e/\t", False),
        ("https://e/\v", True),
        ("https://e/\u00a0", True),
        ("https://e/<br>", False),
        ("[x](https://e/<br>", True),
        ("[x](https://e/<", True),
        ("[x](a ", False),
        ("a < b and ", False),
        ("a <b and ", False),
        ("a <", False),
        ("x <a", False),
        ("x <a ", True),
        ("<b>", False),
        ("<contact mail='", False),
        ("<contact page='https://e/' mail='", True),
        ("<a href='mailto:", False),
        ("<a href=tel:", False),
        ("<a href='mailto:x@e.example?cc=", True),
        ("<input value='", True),
        ("<IMG alt='", True),
        ("<img/alt='", True),
        ("<style>a{b:", True),
        ("<style>a</style>", False),
        ("<script>if (a<b) ", True),
        ("<script>a<b</script>", False),
        ("<script src=x></SCRIPT >", False),
        ("<script>a</style>", True),
        ("</script>", False),
        ("<>", False),
    ],
)
def test_what_would_be_a_part_of_a_url(before: str, inside: bool, size: int) -> None:
    assert follow(*[before[start : start + size] for start in range(0, len(before), size)]) is inside


@pytest.mark.parametrize(
    ("word", "begun"),
    [
        ("mail:", False),
        ("and/or", False),
        ("a.example/", True),
        ("a.example:8080/", True),
        ("a.b", False),
        ("v1.2/", False),
        ("1.2.3.4/", True),
        ("1.2.3.4:80?", True),
        ("a.xn--p1ai/", True),
        ("\u043f.\u0440\u0444/", True),
        ("http:e&", True),
        ("data:text/", True),
        ("data:", False),
        ("url(", True),
        ("curl(", False),
        ("http&#58;&#47;&#47;e", True),
        ("http&colon;&sol;&sol;e", True),
        ('{"url":"https\\u003a\\u002f\\u002fe', True),
        ('"https://a.example/","', False),
        ('"https://a.example/', True),
        ('https://a.example/"', True),  # nothing opened before it
        ("'//a'//b", True),
        ("`https://a.example/``", False),
        ("](", True),
        ("](<", True),
        ("](mailto:", False),
        ("](<mailto:", False),
        ("](mailto:a", True),
        ("](TEL:", False),
        ("](x)", False),
        ("](x()", True),
        ("](x)https://e", True),
    ],
)
def test_a_word_without_blanks(word: str, begun: bool) -> None:
    assert is_url_begun(word) is begun


def test_html_and_json_spell_a_character_otherwise() -> None:
    assert unescape("&#x2f;\\u002F\\u00e9&amp;") == "//\u00e9&"
    assert unescape("\\u12") == "\\u12"


@pytest.mark.parametrize("length", [MOST_KEPT - 10, MOST_KEPT, 10 * MOST_KEPT])
@pytest.mark.parametrize(
    ("before", "filler", "inside"),
    [
        ("//e?", "a", True),
        ("e", "a", False),
        ("<img alt='", "a ", True),
        ("<x y='//e", "a ", True),
        ("<x y='", "a ", False),
    ],
)
@pytest.mark.parametrize("size", [7, 10**6])
def test_length_hides_nothing(length: int, before: str, filler: str, inside: bool, size: int) -> None:
    text = before + filler * length
    assert follow(*[text[start : start + size] for start in range(0, len(text), size)]) is inside


@pytest.mark.parametrize("seed", range(40))
def test_pieces_of_any_length_tell_the_same(seed: int) -> None:
    """Letter by letter every text goes the long way; words without a tag have a shorter one."""
    draw = random.Random(seed)
    parts = (
        "a",
        "b://",
        "www.x.example/",
        " ",
        "\n",
        "\t",
        "\r",
        "<",
        ">",
        "<a href=",
        "'",
        '"',
        "](",
        "<script>",
        "c" * 900,
    )
    whole, letters = UrlContext(), UrlContext()
    for _ in range(60):
        piece = "".join(draw.choices(parts, k=draw.randrange(7)))
        whole.follow(piece)
        for letter in piece:
            letters.follow(letter)
        assert whole.is_in_url() is letters.is_in_url()
