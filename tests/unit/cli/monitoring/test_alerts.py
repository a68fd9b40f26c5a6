"""What an operator and a script are told of alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from served_home import serve_home
from steward.cli.main import app
from steward.core.alerts import Alert, Notice
from steward.core.errors import InputError, UnknownName
from steward.workflows.serve.deployment import open_served_store


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with serve_home(tmp_path) as home:
        store = open_served_store(home)
        store.migrate()
        store.close()
        yield home


def put(home: Path, *alerts: Alert, notices: tuple[Notice, ...] = ()) -> None:
    store = open_served_store(home)
    for alert in alerts:
        store.alerts.put(alert)
    store.alerts.add_notices(notices)
    store.close()


def make_alert(name: str, started_at: float, ended_at: float | None = None) -> Alert:
    return Alert(
        id=name, rule=f"rule-{name}", severity="page", summary="errors", evidence="12 of 100", scopes=("all",),
        started_at=started_at, ended_at=ended_at,
    )  # fmt: skip


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *words, "--home", str(home)], env={"COLUMNS": "300"})


def test_a_script_sees_by_the_exit_code_whether_anything_fires_however_few_it_asks_for(home: Path) -> None:
    assert (run(home, "list").exit_code, run(home, "list").stdout) == (0, "No alerts.\n")
    put(home, make_alert("a", 10.0), make_alert("b", 20.0, ended_at=30.0))
    one = run(home, "list", "-n", "1", "--json")
    assert [row["id"] for row in json.loads(one.stdout)["alerts"]] == ["b"] and one.exit_code == 1
    put(home, make_alert("a", 10.0, ended_at=40.0))
    assert run(home, "list", "-n", "1").exit_code == 0


def test_the_twenty_newest_are_shown_unless_told(home: Path) -> None:
    put(home, *(make_alert(f"{number:02}", float(number), ended_at=99.0) for number in range(1, 22)))
    rows = json.loads(run(home, "list", "--json").stdout)["alerts"]
    assert [row["id"] for row in rows] == [f"{number:02}" for number in range(21, 1, -1)]
    assert run(home, "list", "-n", "0").exit_code == 2  # as click says that an option is out of range


def test_an_alert_is_listed_by_the_first_eight_characters_of_its_id(home: Path) -> None:
    put(home, make_alert("0123456789", 10.0), make_alert("abcdefghij", 20.0, ended_at=30.0))
    over, firing = (line.split() for line in run(home, "list").stdout.splitlines() if "rule-" in line)
    assert (over[0], over[3], firing[0], firing[3]) == ("abcdefgh", "over", "01234567", "firing")


def test_one_alert_is_shown_with_those_who_were_told(home: Path) -> None:
    notices = [
        Notice(id=name, alert_id="a", channel=name, kind="firing", created_at=11.0, next_at=12.0, **fields)
        for name, fields in {
            "mail": {"delivered_at": 12.0}, "chat": {"attempts": 10, "error": "refused"}, "page": {"attempts": 3},
        }.items()
    ]  # fmt: skip
    put(home, make_alert("a", 10.0), make_alert("b", 10.0, ended_at=20.0), notices=tuple(notices))
    shown = run(home, "show", "rule-a").stdout
    assert "rule-a (page): errors" in shown and "still firing. Concerns: all." in shown
    states = {words[0]: (words[2], words[-1]) for line in shown.splitlines() if len(words := line.split()) > 4}
    assert (states["mail"][0], states["chat"], states["page"][0]) == ("delivered", ("failed", "refused"), "waiting")
    ended = run(home, "show", "rule-b").stdout
    assert ", over since " in ended and "Nobody was told: no channel takes it." in ended
    with pytest.raises(UnknownName, match="unknown alert or rule 'none'"):
        raise run(home, "show", "none").exception or AssertionError


def test_a_rule_says_how_often_it_cries_wolf(home: Path) -> None:
    lines = [line.rstrip() for line in run(home, "rules").stdout.splitlines()]
    assert len([line for line in lines if line.endswith("none: a fact")]) > 3
    one = run(home, "rules", "disk-filling").stdout.splitlines()
    assert one[0].startswith("disk-filling (") and one[-1] == "False alarms a month: none: a fact"
    assert not [line for line in one if line.startswith("Now:")]  # a fact is known, or its alert says that it is not
    assert run(home, "show", "disk-filling").stdout.splitlines() == ["disk-filling has not fired.", *one]
    with pytest.raises(UnknownName, match="unknown rule 'none'"):
        raise run(home, "rules", "none").exception or AssertionError


@pytest.mark.parametrize(
    ("rule", "said"), [("*", "All rules are silent until "), ("disk-filling", "disk-filling is silent until ")]
)
def test_it_is_said_what_is_silent(home: Path, rule: str, said: str) -> None:
    assert run(home, "silence", rule).stdout.startswith(said)


def test_without_channels_nothing_failed(home: Path) -> None:
    result = run(home, "test")
    assert result.exit_code == 0 and result.stdout.startswith("No channels. Add one under monitoring.channels")


@pytest.mark.parametrize("more", [(), ("--events", "x", "--since", "1d")])
def test_a_replay_is_of_one_history(home: Path, more: tuple[str, ...]) -> None:
    (home / "rules.yaml").write_text("")
    with pytest.raises(InputError, match="--events"):
        raise run(home, "backtest", str(home / "rules.yaml"), *more).exception or AssertionError
