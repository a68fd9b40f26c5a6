"""Stages that look at one row at a time."""

import msgspec
import pyarrow as pa
import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.stages.custom import Custom
from steward.data.stages.language import Language
from steward.data.stages.normalise import Normalise
from steward.data.stages.pii import Pii
from steward.data.stages.secrets import Secrets, entropy_bits


def batch(*texts, **columns):
    rows = list(range(len(texts)))
    content = {"row": rows, "id": [f"d{row}" for row in rows], "text": pa.array(texts, pa.large_string())}
    return pa.record_batch({**content, **columns})


def apply(stage, *texts, **columns):
    result = stage.apply(batch(*texts, **columns))
    return result.batch["text"].to_pylist(), [(e.id, e.action, e.rule) for e in result.entries]


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


ENGLISH = "The weather was fine, so we walked along the river to the old mill."
GERMAN = "Das Wetter war schön, also gingen wir am Fluss entlang zur alten Mühle."


def test_language_keeps_and_drops_and_tags():
    result = Language(keep=("en",)).apply(batch(ENGLISH, GERMAN, "ok", ""))
    assert result.batch["language"].to_pylist() == ["en", "unknown", "unknown"]
    assert [(e.id, e.rule, e.value, e.threshold) for e in result.entries] == [("d1", "language", "de", "en")]
    assert apply(Language(keep=("de",), unknown="drop"), GERMAN, "ok") == (
        [GERMAN],
        [("d1", "drop", "unknown_language")],
    )


SECRETS = {
    "aws_access_key": "AKIA" + "IOSFODNN7EXAMPLE",
    "github_token": "ghp_" + "a1B2" * 9,
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXBhcnQ",
    "private_key": "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "high_entropy": "q7Zp4Lx9Vb2Nc8Km5Jh3Gf6Ds1Wa0Te",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_masked_by_kind(kind):
    text = f"Here: {SECRETS[kind]} and on."
    assert apply(Secrets(), text) == ([f"Here: [{kind.upper()}] and on."], [("d0", "change", kind)])


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "password: please_change_me",
        "thisIsAVeryLongCamelCaseIdentifierInSomeJavaProgram",
        "https://example.com/a/long/path/of/some/site/index.html",
    ],
)
def test_what_only_looks_long_is_no_secret(text):
    assert apply(Secrets(), text) == ([text], [])


def test_secrets_in_assignments_and_dropping():
    assert apply(Secrets(), 'api_key = "f3k9-2mqz-77ab-x1"')[0] == ['api_key = "[ASSIGNED]"']
    assert apply(Secrets(mode="drop"), SECRETS["jwt"], "fine") == (["fine"], [("d0", "drop", "jwt")])
    assert (entropy_bits("aaaa"), entropy_bits("abcdefgh")) == (0, 3)


def names(text):
    return [(at, at + 2, "person") for at in range(len(text)) if text.startswith("Bo", at)]


def test_pii_masks_drops_and_tags_with_the_detector_handed_over():
    assert apply(Pii(detector=names), "Hi Bo, Bo!", "Hi.") == (
        ["Hi [PERSON], [PERSON]!", "Hi."],
        [("d0", "change", "person")],
    )
    assert apply(Pii(mode="drop", detector=names), "Hi Bo", "Hi.") == (["Hi."], [("d0", "drop", "person")])
    assert Pii(mode="tag", detector=names).apply(batch("Bo", "Hi")).batch["pii"].to_pylist() == ["person", ""]


def test_pii_covers_overlapping_finds_whole():
    stage = Pii(detector=lambda text: [(3, 6, "email"), (0, 4, "person")])
    assert apply(stage, "abcdefg")[0] == ["[PERSON]g"]


def test_pii_without_a_detector_refuses():
    with pytest.raises(InputError, match="no detector"):
        msgspec.convert({"mode": "mask"}, Pii).apply(batch("Bo"))


def test_custom_changes_drops_keeps_and_fails_rows(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def tidy(text):\n    if text == 'boom':\n        raise ValueError(text)\n"
        "    return {'no': False, 'same': True}.get(text, text.upper())\n"
    )
    texts, entries = apply(Custom(function=f"{path}:tidy"), "a", "no", "same", "boom")
    assert texts == ["A", "same"]
    assert sorted(entries) == [("d0", "change", "tidy"), ("d1", "drop", "tidy"), ("d3", "fail", "tidy")]
    with pytest.raises(UnknownName, match="did you mean 'tidy'"):
        Custom(function=f"{path}:tidi").apply(batch("a"))
    with pytest.raises(InputError, match="no file"):
        Custom(function="nowhere.py:tidy").apply(batch("a"))
