"""Forms as RFC 7578 spells them; what is refused of them, at its bound."""

from __future__ import annotations

import pytest

from steward.core.errors import Refused
from steward.gateway.form import MAX_HEAD_BYTES, MAX_PARTS, MAX_VALUE_BYTES, Form, parse_form, text_fields

TYPE = "multipart/form-data; boundary=b"


def part(name: str, value: bytes = b"v", more: str = "") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def parse(*parts: bytes, kind: str = TYPE) -> Form:
    return parse_form(b"".join(parts) + b"--b--\r\n", kind)


def test_fields_and_files_are_told_apart() -> None:
    file = part("file", b"\x00\r\n--not\xff", '; filename="a \\"b\\".mp3"\r\nContent-Type: audio/mpeg')
    form = parse(part("model", b"whisper"), file)
    assert form.text("model") == "whisper" and form.text("file") is None and form.text("gone") is None
    assert [(item.filename, item.value) for item in form.files("file")] == [('a "b".mp3', b"\x00\r\n--not\xff")]
    assert b"audio/mpeg" in form.files("file")[0].head


def test_an_empty_field_is_none() -> None:
    assert parse(part("prompt", b"")).text("prompt") is None


def test_lists_are_fields_of_their_name() -> None:
    form = parse(
        part("image[]", b"1", '; filename="1"'), part("image[]", b"2", '; filename="2"'), part("kinds[]", b"x")
    )
    assert [item.value for item in form.files("image")] == [b"1", b"2"]
    assert text_fields(form) == {"kinds": "x"}


def test_what_is_encoded_is_parsed_again() -> None:
    form = parse(part("model", b"old"), part("file", b"\x00\x01", '; filename="a"'))
    form.set("model", "new")
    form.set("language", "de")
    body, kind = form.encode(lambda _: "00")
    assert kind == "multipart/form-data; boundary=steward-00"
    again = parse_form(body, kind)
    assert [(item.name, item.value) for item in again.parts] == [
        ("model", b"new"),
        ("file", b"\x00\x01"),
        ("language", b"de"),
    ]


@pytest.mark.parametrize(
    ("parts", "kind", "words"),
    [
        ((part("a"),), "multipart/form-data", "no boundary"),
        ((part("a"),), f"multipart/form-data; boundary={'x' * 71}", "1 to 70"),
        ((part("a"), part("a")), TYPE, "'a' twice"),
        ((part("model"), part("Model")), TYPE, "'Model' twice"),
        ((b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n",), TYPE, "no name"),
        ((part(""),), TYPE, "no name"),
        ((b"--b\r\nbad header\r\n\r\nx\r\n",), TYPE, "not a valid form"),
        (tuple(part(f"f{number}") for number in range(MAX_PARTS + 1)), TYPE, f"more than {MAX_PARTS} parts"),
        ((part("a", b"x" * (MAX_VALUE_BYTES + 1)),), TYPE, f"the limit is {MAX_VALUE_BYTES:,}"),
    ],
)
def test_what_is_no_form_is_refused(parts: tuple[bytes, ...], kind: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        parse(*parts, kind=kind)
    assert caught.value.status == 400


def test_the_bounds_themselves_are_allowed() -> None:
    assert len(parse(*(part(f"f{number}") for number in range(MAX_PARTS))).parts) == MAX_PARTS
    assert parse(part("a", b"x" * MAX_VALUE_BYTES)).text("a") == "x" * MAX_VALUE_BYTES
    assert parse(part("a", b"x" * (MAX_VALUE_BYTES + 1), '; filename="f"')).files("a")


def test_long_heads_are_refused() -> None:
    lines = "".join(f"\r\nX-{number}: {'y' * 2000}" for number in range(2))
    assert parse(part("a", more=lines)).parts
    with pytest.raises(Refused, match=f"{MAX_HEAD_BYTES:,}"):
        parse(part("a", more=f"{lines}\r\nX-3: {'y' * 100}"))


def test_a_form_that_breaks_off_is_refused() -> None:
    with pytest.raises(Refused, match="breaks off"):
        parse_form(part("a"), TYPE)


def test_a_field_that_is_not_utf8_is_named() -> None:
    with pytest.raises(Refused, match="'prompt' is not valid UTF-8") as caught:
        parse(part("prompt", b"\xff")).text("prompt")
    assert caught.value.param == "prompt"


def test_the_bounds_are_those_of_the_reference() -> None:
    """64 parts, of which a field has a mebibyte and a head 4 KiB; RFC 2046, 5.1.1: 70 characters of a boundary."""
    assert len(parse(*[part(f"f{number}") for number in range(64)]).parts) == 64
    assert len(parse(part("a", b"x" * 1_048_576)).text("a") or "") == 1_048_576
    for parts in ([part(f"f{number}") for number in range(65)], [part("a", b"x" * 1_048_577)]):
        with pytest.raises(Refused):
            parse(*parts)


def test_a_long_name_is_told_in_part() -> None:
    long = "n" * 120
    with pytest.raises(Refused) as twice:
        parse(part(long), part(long))
    assert twice.value.param == "n" * 99 + "…" and f"names '{'n' * 99 + '…'}' twice" in twice.value.message
    with pytest.raises(Refused) as unreadable:
        parse(part(long, b"\xff")).parts[0].text()
    assert unreadable.value.param == "n" * 99 + "…" and f"'{'n' * 99 + '…'}'" in unreadable.value.message


def test_a_boundary_is_of_128_random_bits() -> None:
    form = parse(part("a"))
    boundaries = {form.encode()[1].partition("boundary=steward-")[2] for _ in range(3)}
    assert len(boundaries) == 3 and {len(each) for each in boundaries} == {32}


def test_s7_every_text_of_a_form_is_read_and_nothing_else_goes_on() -> None:
    """The names of fields and files, each text of a list, and no header, preamble or epilogue beside them."""
    parts = [
        ('name="file"; filename="bob@x.example.wav"\r\nContent-Type: audio/wav; by=bob@x.example', "RIFF"),
        ('name="bob@x.example"', "1"),
        ('name="tags[]"', "bob@x.example"),
        ('name="tags[]"\r\nX-For: bob@x.example', "other"),
        ('name="model"', "bob@x.example"),
    ]
    lines = [f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts]
    form = parse_form("".join(lines).encode() + b"--b--\r\nsee bob@x.example", "multipart/form-data; boundary=b")
    form.put_texts([text.replace("bob@x.example", "EMAIL") for text in form.list_texts()])
    body, _ = form.encode(lambda _: "")
    assert body.count(b"bob@x.example") == 1 and b'name="model"\r\n\r\nbob@x.example\r\n' in body
    assert b'name="file"; filename="EMAIL.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n' in body
    assert body.count(b"EMAIL") == 3 and b"X-For" not in body and b"see" not in body
