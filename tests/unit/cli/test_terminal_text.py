import io
import json

import pytest

from steward.cli import common
from steward.cli.terminal_text import escape_json, neutralise, write_note


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FOREIGN = "a\x1b[2J\x9b31m\x7f\u202eé\n"


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x08\x08\x08rm -rf", "\r", "\x7f", "\u202eevil", "\u2066hidden\u2069"],
)
def test_s15_nothing_that_a_terminal_obeys_is_left(sequence: str) -> None:
    shown = neutralise(f"before {sequence} after")
    assert not set(shown) & set("\x1b\x07\x9b\x08\r\x7f\u202e\u2066\u2069") and "\ufffd" in shown


def test_text_stays_as_it_is() -> None:
    text = "Grüße,\n\t家 👩‍👧 – «1»"
    assert neutralise(text) == text


def test_s15_json_on_a_terminal_says_the_same_without_what_a_terminal_obeys() -> None:
    """JSON leaves DEL, C1 (U+009B begins a sequence) and marks of direction as they are (RFC 8259, section 7)."""
    text = json.dumps({"a": FOREIGN}, ensure_ascii=False)
    shown = escape_json(text)
    assert not set(shown) & set("\x1b\x9b\x7f\u202e") and "\\u009b31m\\u007f\\u202eé" in shown
    assert json.loads(shown) == {"a": FOREIGN}


@pytest.mark.parametrize("show", [common.show_json, common.show_json_line])
def test_s15_json_of_a_command_is_escaped_on_a_terminal_alone(show: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(show)
    for out, escaped in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stdout", out)
        show({"a": FOREIGN})
        assert ("\x9b" not in out.getvalue()) is escaped and json.loads(out.getvalue()) == {"a": FOREIGN}


def test_s15_a_note_is_neutralised_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for out, shown in ((Terminal(), "a\ufffd[2J\ufffd31m\ufffd\ufffdé\n\n"), (io.StringIO(), f"{FOREIGN}\n")):
        monkeypatch.setattr("sys.stderr", out)
        write_note(FOREIGN)
        assert out.getvalue() == shown
