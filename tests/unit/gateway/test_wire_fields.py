"""How many answers a request asks for, and how much of it is text: OpenAI API reference, "Create completion"."""

from __future__ import annotations

import msgspec
import pytest

from steward.gateway.wire_fields import Request


def read(body: str) -> Request:
    return msgspec.json.decode(body, type=Request)


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        ('{"model":"m"}', 1),
        ('{"model":"m","n":3}', 3),
        ('{"model":"m","n":2,"best_of":5}', 5),
        ('{"model":"m","prompt":"one"}', 1),
        ('{"model":"m","prompt":["one","two"],"n":2}', 4),
        ('{"model":"m","prompt": [ "one" , "two","three"]}', 3),
        ('{"model":"m","prompt":[1,2,3]}', 1),  # one prompt, in tokens
        ('{"model":"m","prompt":[[1,2],[3]]}', 2),
        ('{"model":"m","prompt":[]}', 1),
    ],
)
def test_answers_are_counted_for_each_prompt(body: str, answers: int) -> None:
    assert read(body).choices() == answers


def test_the_bytes_of_all_texts_count_and_of_nothing_else() -> None:
    assert read('{"model":"m","user":"nobody"}').content_bytes() == 0
    whole = '{"model":"m","messages":[1],"prompt":"a","input":"bc","system":"d","instructions":"e","tools":[]}'
    assert read(whole).content_bytes() == len('[1]"a""bc""d""e"[]')


def test_media_are_looked_for_in_messages_and_else_in_the_input() -> None:
    part = '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b"}}]}]'
    assert read('{"model":"m"}').media().tokens == 0
    assert read(f'{{"model":"m","messages":{part}}}').media().tokens == 1000
    assert read(f'{{"model":"m","input":{part}}}').media().tokens == 1000
    assert read(f'{{"model":"m","messages":[],"input":{part}}}').media().tokens == 0
