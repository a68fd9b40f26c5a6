from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steward.configuration.tls import TlsConfig

FILES = {"certificate": "c", "key": "k"}


def test_one_word_is_enough() -> None:
    assert TlsConfig.model_validate("auto") == TlsConfig(auto=True)


@pytest.mark.parametrize(
    ("value", "on"), [({}, False), ("auto", True), (FILES, True), ({"insecure_http": True}, False)]
)
def test_what_turns_it_on(value: Any, on: bool) -> None:
    assert TlsConfig.model_validate(value).is_on is on


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"certificate": "c"}, "key is missing"),
        ({"key": "k"}, "certificate is missing"),
        ({**FILES, "auto": True}, "auto and certificate exclude each other"),
        ({**FILES, "insecure_http": True}, "insecure_http: true means no TLS; leave out certificate"),
        ({"auto": True, "insecure_http": True}, "leave out auto"),
        ({"client_ca": "a", "insecure_http": True}, "leave out client_ca"),
        ({"client_ca": "a"}, "client_ca needs a certificate of the server"),
        ({**FILES, "client_required": True}, "client_required needs client_ca"),
        ({**FILES, "names": ["x"]}, "names are for auto: true"),
        ({"auto": True, "names": ["a b"]}, "pattern"),
        ("on", "dictionary"),
        ({"cert": "c"}, "Extra inputs"),
    ],
)
def test_what_contradicts_itself_is_refused(value: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TlsConfig.model_validate(value)


def test_editors_are_told_of_the_word() -> None:
    schema = TlsConfig.model_json_schema()
    assert (schema["type"], schema["pattern"]) == (["object", "string"], "^auto$")
