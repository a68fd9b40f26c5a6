"""How records are printed."""

import contextlib
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from steward.cli import common
from steward.cli.common import ProgressLines, find_home
from steward.core.errors import InputError, Unavailable
from steward.workflows.gateway_probe import read_state

COLUMNS = ["request", "model", "tokens"]
ROWS = [["req_0199a3b2c4d5e6f708192a3b4c5d6e7f", "a-rather-long-name-of-a-model", 12345], ["req_2", "", 7]]


def shown(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[list[object]]) -> str:
    file = io.StringIO()
    monkeypatch.setattr(common, "open_console", lambda: Console(file=file, width=width, highlight=False))
    common.show_table(COLUMNS, rows)
    return file.getvalue()


def test_a_table_that_fits_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.rstrip() for line in shown(monkeypatch, 80, ROWS[1:]).splitlines()]
    assert lines == ["request  model  tokens", "req_2    –           7"]


@pytest.mark.parametrize("width", [40, 60])
def test_k13_a_table_that_does_not_fit_is_blocks_and_breaks_no_id(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(monkeypatch, width, ROWS)
    assert "req_0199a3b2c4d5e6f708192a3b4c5d6e7f" in text and "tokens   12,345" in text
    assert text.count("request") == 2


def test_a_cell_is_never_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in shown(monkeypatch, 80, [["req", "\x1b[31mred", 1]])


def test_k13_a_table_as_wide_as_the_terminal_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """`request  model  tokens` has 22 characters; of Chinese, each takes two columns."""
    assert "request  model  tokens" in shown(monkeypatch, 22, ROWS[1:])
    assert shown(monkeypatch, 21, ROWS[1:]).startswith("request  req_2")
    assert "request  model     tokens" in shown(monkeypatch, 25, [["req_2", "通义千问", 7]])
    assert shown(monkeypatch, 24, [["req_2", "通义千问", 7]]).startswith("request  req_2")
    assert "request  model  tokens" in shown(monkeypatch, 22, [])


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(10**9), 10**9) | st.floats(0, 1e6, width=32),
            st.text("ab –日é\t\x1b", max_size=9),
            st.none() | st.text("xy ", max_size=5),
        ),
        max_size=6,
    )
)
def test_a_table_in_a_pipe_is_what_rich_would_draw(rows: list[tuple[object, ...]]) -> None:
    drawn, written = io.StringIO(), io.StringIO()
    Console(highlight=False, width=1000, file=drawn).print(common.make_table(COLUMNS[:3], rows))
    with contextlib.redirect_stdout(written):
        common.show_table(COLUMNS[:3], rows)
    assert written.getvalue() == drawn.getvalue()


def test_a_long_table_in_a_pipe_does_not_wait_for_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich takes a millisecond a row; it draws what has tabs and ends of lines, and whatever a terminal shows."""
    drawn: list[object] = []
    monkeypatch.setattr(common, "make_table", lambda *given: drawn.append(given) or "")
    shown(monkeypatch, 200, ROWS)
    assert not drawn
    shown(monkeypatch, 200, [["req", "two\nlines", 1]])
    assert len(drawn) == 1


def test_a_command_lists_a_hundred_thousand_lines_at_most() -> None:
    """docs/reference/commands.md, --lines and --limit."""
    assert common.MOST_LINES == 100_000


def test_only_a_total_stands_apart() -> None:
    assert [row.style for row in common.make_table(COLUMNS, ROWS, total=True).rows] == [None, "bold"]
    assert [row.style for row in common.make_table(COLUMNS, ROWS).rows] == [None, None]
    assert not common.make_table(COLUMNS, [], total=True).rows


def test_a_record_is_indented_by_two(capsys: pytest.CaptureFixture[str]) -> None:
    common.show_json({"a": [1]})
    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEWARD_HOME", raising=False)
    return tmp_path


def test_the_home_is_the_one_given_else_the_one_here_else_the_one_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no deployment here"):
        common.find_home(None)
    for name in ("given", "named"):
        (place / name).mkdir()
    monkeypatch.setenv("STEWARD_HOME", "gone")
    with pytest.raises(InputError, match="no deployment here"):
        common.find_home(None)
    monkeypatch.setenv("STEWARD_HOME", "named")
    assert common.find_home(None) == place / "named"
    (place / ".steward").mkdir()
    assert common.find_home(None) == place / ".steward"
    assert common.find_home(Path("given")) == place / "given"
    with pytest.raises(InputError, match="--home gone: no such folder; `steward up --home gone` makes it"):
        common.find_home(Path("gone"))


def test_a_server_is_the_one_given_else_the_gateway_that_runs_here(place: Path) -> None:
    assert common.find_server("http://h", None, None) == ("http://h", None)
    with pytest.raises(Unavailable, match="no steward is running in"):
        common.find_server(None, None, place)
    (place / "run").mkdir()
    (place / "run" / "state.json").write_text(json.dumps({"pid": os.getpid(), "gateway_url": "http://here"}))
    (place / "first-key").write_text("sk-first\n")
    (place / "mine").write_text("sk-mine\n")
    url, key = common.find_server(None, None, place)
    assert url == "http://here" and key is not None and key.reveal() == "sk-first"
    assert (found := common.find_server(None, f"file:{place / 'mine'}", place)[1]) and found.reveal() == "sk-mine"
    assert (found := common.find_server("http://h", f"file:{place / 'mine'}", None)[1]) and found.reveal() == "sk-mine"


@pytest.mark.parametrize("no_color", [False, True])
def test_k13_words_about_health_are_coloured_unless_no_color(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    """https://no-color.org: set, whatever it holds, means no colour."""
    from rich.console import Console

    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="standard", highlight=False)
    monkeypatch.setattr(common, "open_console", lambda: console)
    common.show_table(["process", "state"], [["worker", "ok"], ["engine", "broken"]])
    green, red = "\x1b[32m" in file.getvalue(), "\x1b[31m" in file.getvalue()
    assert (green, red) == (not no_color, not no_color)


def test_k9_a_closed_pipe_beneath_a_table_is_not_an_answer_of_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich ends with 1 of its own, which means "regressed" or "no"; `main` ends with 0."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as out, pytest.raises(BrokenPipeError):
        monkeypatch.setattr("sys.stdout", out)
        try:
            common.show_table(COLUMNS, ROWS)
        finally:
            os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


def test_a_log_gets_a_line_after_two_seconds_and_then_one_every_ten() -> None:
    now, lines = [100.0], list[str]()
    progress = ProgressLines(lines.append, lambda: now[0])
    for at, done in ((100.0, 0), (101.9, 10), (102.0, 20), (111.9, 50), (112.0, 50), (122.0, 250)):
        now[0] = at
        progress(done, 200, f"reading: file {done}")
    assert lines == [
        "reading: file 20: 10 %, about 18 s left",  # two seconds for 20, so eighteen for the other 180
        "reading: file 50: 25 %, about 36 s left",
        "reading: file 250: 100 %, about 0 s left",
    ]
    lines.clear()
    now[0] = 123.0
    progress(1, 2, "writing")  # another step begins anew
    now[0] = 124.9
    progress(1, 2, "writing")
    now[0] = 125.0
    progress(1, 2, "writing")
    assert lines == ["writing: 50 %, about 2 s left"]
    now[0] = 135.0
    progress(7, 0, "writing")  # nobody knows of how many
    assert lines[-1] == "writing: 100 %, about 0 s left"
    now[0] = 145.0
    progress(1, 1, "writing")  # the only one
    assert lines[-1] == "writing: 100 %, about 0 s left"


def test_k8_a_command_that_is_printed_can_be_pasted(tmp_path: Path) -> None:
    """A home with a blank in its path, which is not that of this folder."""
    home = tmp_path / "my home"
    with pytest.raises(InputError, match=r"`steward up --home '.*my home'` makes it"):
        find_home(home)
    home.mkdir()
    with pytest.raises(Unavailable, match=r"start it with `steward up --home '.*my home'`"):
        read_state(home)
