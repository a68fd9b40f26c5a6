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
