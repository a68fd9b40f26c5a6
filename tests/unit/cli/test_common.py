"""How records are printed."""

import io

import pytest

from steward.cli import common

COLUMNS = ["request", "model", "tokens"]
ROWS = [["req_0199a3b2c4d5e6f708192a3b4c5d6e7f", "a-rather-long-name-of-a-model", 12345], ["req_2", "", 7]]


def shown(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[list[object]]) -> str:
    from rich.console import Console

    file = io.StringIO()
    monkeypatch.setattr(common, "terminal", lambda: Console(file=file, width=width, highlight=False))
    common.show_table(COLUMNS, rows)
    return file.getvalue()


def test_a_table_that_fits_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.rstrip() for line in shown(monkeypatch, 80, ROWS[1:]).splitlines()]
    assert lines == ["request  model  tokens", "req_2    –           7"]


@pytest.mark.parametrize("width", [40, 60])
def test_a_table_that_does_not_fit_is_blocks_and_breaks_no_id(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(monkeypatch, width, ROWS)
    assert "req_0199a3b2c4d5e6f708192a3b4c5d6e7f" in text and "tokens   12,345" in text
    assert text.count("request") == 2


def test_a_cell_is_never_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in shown(monkeypatch, 80, [["req", "\x1b[31mred", 1]])
