"""K14: whoever waits for a command is told after two seconds that it is at work."""

from __future__ import annotations

import io
import sys
from contextlib import nullcontext
from typing import Any

import pytest

from conftest import inside_with_notes, until
from steward.cli.commands import STEWARD, TALKING
from steward.cli.lazy import find_path
from steward.cli.main import note_silence
from steward.cli.waiting import WaitingNote, show_waiting


class Screen(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def tell(terminal: bool, *steps: float | tuple[float, str, bool]) -> str:
    """What stands on the screen when time has come to each step; at some the command itself writes."""
    clock, screen = Clock(), Screen(terminal)
    note = WaitingNote("steward backup", screen, clock)
    for step in steps:
        after, text, is_output = step if isinstance(step, tuple) else (step, "", False)
        clock.now = Clock.now + after
        if text:
            note.hear(text, is_output)
        note.tick()
    return screen.getvalue()


def test_k14_a_log_gets_a_line_after_two_seconds_and_then_every_ten() -> None:
    assert tell(False, 1.9) == ""
    lines = tell(False, *range(25)).splitlines()
    assert lines == [f"steward backup: still at work after {second} s" for second in (2, 12, 22)]


def test_k14_a_terminal_gets_one_line_that_counts_and_is_gone_before_the_output() -> None:
    text = "steward backup: still at work after"
    assert tell(True, 2.0, 3.0, (3.5, "done\n", True), 9.0) == f"\r\x1b[2K{text} 2 s\r\x1b[2K{text} 3 s\r\x1b[2K"


def test_k14_nothing_is_wiped_off_where_nothing_was_said() -> None:
    """On a terminal that has no note yet, and in a log, where a note is a line that stays."""
    assert tell(True, (1.0, "done\n", True)) == ""
    assert tell(False, 2.0, (3.0, "done\n", True)) == "steward backup: still at work after 2 s\n"


@pytest.mark.parametrize(("terminal", "again"), [(True, 1.0), (False, 10.0)])
def test_k14_the_watcher_sleeps_until_the_note_is_due(terminal: bool, again: float) -> None:
    clock = Clock()
    note = WaitingNote("steward backup", Screen(terminal), clock)
    assert note.tick() == 2.0
    clock.now += 1.5
    assert note.tick() == 0.5
    clock.now += 0.5
    assert note.tick() == again


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        ([(1.0, "a row\n", True), 60.0], 0),  # its output has begun
        ([(1.0, "Password: ", False), 60.0], 0),  # it asks
        ([(1.0, "a warning\n", False), 10.9], 0),
        ([(1.0, "a warning\n", False), 11.0], 1),
        ([(8.0, "a step\n", False), (16.0, "a step\n", False), (24.0, "a step\n", False)], 0),  # it says so itself
    ],
)
def test_k14_what_a_command_says_itself_counts(steps: list[float | tuple[float, str, bool]], lines: int) -> None:
    assert len(tell(False, *steps).splitlines()) == lines


def test_k14_the_streams_are_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = (sys.stdout, sys.stderr)
    with pytest.raises(ValueError, match="no"), show_waiting("steward x"):
        assert (sys.stdout, sys.stderr) != before and not sys.stdout.isatty()
        print("out")
        print("err", file=sys.stderr)
        raise ValueError("no")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("out\n", "err\n")


def test_k14_a_command_that_takes_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through `main`: one that waits until it has been told of."""
    monkeypatch.setattr("steward.cli.waiting.PATIENCE_S", 0.0)

    def wait() -> None:
        shown: Any = sys.stderr  # a StringIO, behind a proxy
        until(lambda: "still at work" in shown.getvalue())

    monkeypatch.setattr("steward.cli.tls.show", wait)
    assert inside_with_notes("tls", "show").stderr.startswith("steward tls show: still at work after ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["backup", "a.tar"], True),
        (["eval", "compare", "a", "b"], True),
        (["plan", "--workload", "w.yaml"], True),
        (["plan", "--json"], False),
        (["usage", "--csv"], False),
        (["backup", "--help"], False),
        (["up"], False),
        (["chat", "hello"], False),
        (["nonsense"], False),
        ([], False),
    ],
)
def test_k14_which_commands_are_told_of(arguments: list[str], told: bool) -> None:
    assert isinstance(note_silence(arguments), nullcontext) is not told


@pytest.mark.parametrize("path", sorted(TALKING))
def test_every_command_that_talks_is_one(path: str) -> None:
    assert find_path(STEWARD, path.split()) == path
