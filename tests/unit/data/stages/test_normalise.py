import msgspec
import pyarrow as pa
import pytest

from data_batches import apply, batch
from steward.data.stages.normalise import Normalise


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("html_entities", "fish &amp;amp; chips &#8212; AT&T", "fish & chips — AT&T"),
        ("mojibake", "schÃ¶n, so schÃ¶n", "schön, so schön"),
        ("unicode", "cafe\u0301", "café"),
        ("control_characters", "a\u200bb\x00c\ufeff", "abc"),
        ("whitespace", "  a\u00a0b \r\n\r\n\r\n\r\nc\t", "  a b\n\nc"),
    ],
)
def test_normalise_names_what_it_changed(rule, before, after):
    assert apply(Normalise(), before, "plain text") == ([after, "plain text"], [("d0", "change", rule)])


def test_normalise_is_idempotent_and_keeps_code():
    code = "def f(x):\n    return x  if x else {'a':  1}\n\n\tpass"
    assert apply(Normalise(), code) == ([code], [])
    assert msgspec.convert({"unicode": "NFKC"}, Normalise).apply(batch("ﬁ")).batch["text"].to_pylist() == ["fi"]


def test_normalise_reaches_every_message_of_a_chat():
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
    messages = [[{"role": "user", "content": "a &lt; b"}, {"role": "assistant", "content": "yes"}], None]
    chats = pa.record_batch({"row": [0, 1], "id": ["a", "b"], "messages": pa.array(messages, kind)})
    result = Normalise().apply(chats)
    assert [message["content"] for message in result.batch["messages"][0].as_py()] == ["a < b", "yes"]
    assert [entry.id for entry in result.entries] == ["a"]


KHMER, BURMESE = (
    "\u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a",
    "\u1019\u103c\u1014\u103a\u200b\u1019\u102c",
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A\x0bB", "A\nB"),
        ("A\x1cB\x1fC", "A\nB C"),
        (KHMER, KHMER),
        (BURMESE, BURMESE),
        ("a\u200bb " + KHMER + "\u200b", "ab " + KHMER),
    ],
)
def test_d20_breaks_between_words_and_lines_stay(before, after):
    assert apply(Normalise(), before)[0] == [after]


@pytest.mark.parametrize(
    "code",
    [
        "```\ns.replace('&lt;', '<')\n```",
        "Write `&amp;lt;` to show it.",
        "<pre>a &lt; b</pre>",
        'x = s.replace("&amp;lt;", "&lt;");',
        "    if (a &amp;&amp; b)",
        "return html.unescape('&gt;')",
    ],
)
def test_d20_entities_in_code_are_left_alone(code):
    assert apply(Normalise(), code)[0] == [code]
    assert apply(Normalise(), f"5 &lt; 6\n{code}\n7 &amp;gt; 6")[0] == [f"5 < 6\n{code}\n7 > 6"]


def test_what_was_escaped_three_times_is_decoded_twice():
    assert apply(Normalise(), "a &amp;amp;lt; b")[0] == ["a &lt; b"]
    assert apply(Normalise(), "a &amp;lt; b & c")[0] == ["a < b & c"]


@pytest.mark.parametrize("opening", ["<pre>", "<code></pre>", "<script></style>"])
def test_elements_without_an_end_are_no_code_and_take_linear_time(opening):
    """2 MB, of which each element sought to the text's end would be 100 billion steps and more."""
    text = opening * (2_000_000 // len(opening))
    assert apply(Normalise(), f"a &lt; b {text}")[0] == [f"a < b {text}"]


@pytest.mark.parametrize("line", ["<pre> a &lt; b;", "    <code> &lt;", "<script> { &lt; }"])
def test_a_line_of_code_may_hold_an_element_without_its_end(line):
    assert apply(Normalise(), f"{line}\n1 &lt; 2")[0] == [f"{line}\n1 < 2"]


def test_a_long_run_of_blanks_takes_linear_time():
    blanks = " \t" * 1_000_000
    assert apply(Normalise(), f"a{blanks}b{blanks}\n{blanks}c{blanks}")[0] == [f"a{blanks}b\n{blanks}c"]
