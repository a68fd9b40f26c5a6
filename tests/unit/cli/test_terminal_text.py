import pytest

from steward.cli.terminal_text import neutralise


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
