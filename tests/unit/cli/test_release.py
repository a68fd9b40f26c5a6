"""`steward release backtest`: exit codes and what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import inside
from steward.cli.release import EXIT_CODES, _show, _show_change, _show_status
from steward.core.records import Arm
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.improvement.canary import GuardReport, ReleaseDecision, SplitReport
from steward.improvement.events import ReleaseEvent
from steward.improvement.rollout import ShadowResult
from steward.workflows.keys import open_keys
from steward.workflows.release_drill import DrillReport
from steward.workflows.release_watch import ReleaseStatus
from steward.workflows.releases import ReleaseChange
from steward.workflows.reload import ReloadReport
from steward.workflows.serve.deployment import find_deployment

ARMS: tuple[Arm, Arm] = ("champion", "candidate")


def test_exit_codes_are_those_of_gates() -> None:
    assert EXIT_CODES == {"promote": 0, "roll back": 1, "inconclusive": 3}


@pytest.mark.parametrize(("bad", "code", "said"), [(True, 1, "Rolled back at 50%"), (False, 3, "Undecided at 50%")])
def test_a_replay_in_words_and_as_json(bad: bool, code: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = [
        ReleaseEvent(
            at=n * 1.0, subject=str(n), arm="candidate" if n % 2 else "champion", weight=0.5, bad=bad and n % 2 > 0
        )
        for n in range(200)
    ]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    words = ["release", "backtest", "--events", str(file)]
    shown = inside(*words)
    assert shown.returncode == code and said in shown.stdout and "1970-01-01 00:0" in shown.stdout
    as_json = json.loads(inside(*words, "--json").stdout)
    assert set(as_json) >= {"decision", "at", "step", "guards", "split_check"}
    assert set(as_json["guards"][0]) >= {"name", "verdict", "estimate", "interval", "e_value"}
    assert [guard["name"] for guard in as_json["guards"]][:2] == ["errors", "slow"]


def guard(name: Any, **fields: Any) -> GuardReport:
    usual: dict[str, Any] = {
        "verdict": "held", "required": True, "margin": 1.25, "estimate": 1.1, "interval": (0.9, None), "e_value": 2.0,
        "units": {"candidate": 1200, "champion": 3400}, "why": "so it is",
    }  # fmt: skip
    return GuardReport(name=name, **usual | fields)


def decide(*guards: GuardReport, broken: bool = False) -> ReleaseDecision:
    split = SplitReport(verdict="broken" if broken else "held", candidate=480, expected=500.4, units=1000, e_value=1.0)
    return ReleaseDecision(
        decision="inconclusive", at=86400.0, step=0.25, why="too few", guards=guards, split_check=split, events=1234
    )


def test_people_of_an_ended_release_are_all_who_had_it(capsys: pytest.CaptureFixture[str]) -> None:
    copies = ShadowResult(
        verdict="wait", copies=0, failed=0, only_candidate=0, only_champion=0, compared=0, usd=0.0, why=""
    )
    ended = msgspec.structs.replace(record(), state="rolled back", ended_at=9.0)
    _show_status(ReleaseStatus(release=ended, shadow=copies, people=1200, guards=None))
    assert "People who had the candidate: 1,200." in capsys.readouterr().out


def read_row(shown: str, name: str) -> str:
    (line,) = [line for line in shown.splitlines() if line.strip().startswith(name)]
    return " ".join(line.split())


def test_guards_are_shown_in_the_unit_of_their_margin(capsys: pytest.CaptureFixture[str]) -> None:
    _show(
        decide(
            guard("slow"),
            guard("cost", margin=0.2, estimate=0.125, interval=(-0.01, 0.25)),
            guard("judge", margin=0.05, estimate=-0.01, interval=None),
            guard("rating_rate", margin=1.5, estimate=None),
        )
    )
    shown = capsys.readouterr().out
    assert "Undecided at 25% of people, 1970-01-02 00:00:00 UTC, after 1,234 requests: too few." in shown
    assert read_row(shown, "slow") == "slow held 1.10 x 0.90 x to ? up to 1.25 x 1,200 / 3,400 so it is"
    assert read_row(shown, "cost").startswith("cost held +12.5% -1.0% to +25.0% up to +20%")
    assert "-0.010" in read_row(shown, "judge") and "down to -0.05" in read_row(shown, "judge")
    assert "1/1.5 to 1.5 x" in read_row(shown, "rating rate")
    assert "Split: 480 of 1,000 people had the candidate, 500 expected; as drawn." in shown


def test_a_split_that_was_not_drawn_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _show(decide(broken=True))
    assert "the weights that are noted cannot be those of the draw." in capsys.readouterr().out


def record(**fields: Any) -> ReleaseRecord:
    usual: dict[str, Any] = {
        "id": "rel_1", "route": "chat", "candidate": RouteVariant(kind="prompt", name="greeting", version="2"),
        "state": "canary", "weight": 0.05, "started_at": 0.0, "started_by": "operator:1", "step_at": 0.0,
        "route_digest": "", "sample": 0.1, "why": "it began", "changed_by": "operator:1",
    }  # fmt: skip
    return ReleaseRecord(**usual | fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "canary, prompt greeting@2, the candidate for 5% of people"),
        ({"weight": 0.0, "state": "shadow"}, "shadow, prompt greeting@2, copies of 10% of requests"),
        ({"weight": 0.0, "state": "paused"}, "paused, prompt greeting@2"),
    ],
)
def test_a_state_says_who_gets_the_candidate(
    fields: dict[str, Any], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ReloadReport(outcome="applied", version=7, previous=6)
    _show_change(ReleaseChange(release=record(**fields), reload=report), json=False)
    assert capsys.readouterr().out == f"rel_1 of route chat: {expected}; configuration 7 serves.\n"


def test_the_status_has_the_copies_and_the_guards_where_there_are_requests(capsys: pytest.CaptureFixture[str]) -> None:
    copies = ShadowResult(
        verdict="wait", copies=1200, failed=3, only_candidate=1, only_champion=0, compared=40, usd=0.5, why=""
    )
    _show_status(ReleaseStatus(release=record(), shadow=copies, people=17, guards=None))
    shown = capsys.readouterr().out
    assert "It began (operator:1)." in shown and "Split" not in shown and "worker" not in shown
    assert "Copies: 1,200, 3 failed, 40 compared by the judge, 0.5000 USD. " in shown
    assert "People with the candidate at this share: 17." in shown
    unpriced = msgspec.structs.replace(copies, usd=None)
    _show_status(ReleaseStatus(release=record(), shadow=unpriced, people=0, guards=decide(), served=False))
    shown = capsys.readouterr().out
    assert "Not every worker serves this yet" in shown
    assert "a price is missing" in shown and "Split: 480" in shown


@pytest.mark.parametrize(
    ("verdict", "last_s", "code", "sentence"),
    [
        (
            "held",
            -0.25,
            0,
            "of 7 requests of the candidate came -0.25 s from the decision.\nAllowed: 5 s. Held.",
        ),
        ("broken", None, 1, "on 2 workers; nobody asked meanwhile.\nAllowed: 5 s. Not held."),
    ],
)
def test_a_drill_that_took_too_long_exits_with_one(
    verdict: Any, last_s: float | None, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = DrillReport(
        release="rel_1", route="chat", workers=2, start_s=0.5, rollback_s=1.25, candidate_requests=7,
        last_request_s=last_s, verdict=verdict, allowed_s=5.0,
    )  # fmt: skip
    monkeypatch.setattr("steward.workflows.release_drill.run_drill", lambda *_, **__: report)
    monkeypatch.setattr("steward.cli.release.keep_finding", lambda *_: None)
    shown = inside("release", "drill", "chat", "--home", str(tmp_path))
    assert shown.returncode == code and sentence in shown.stdout
    assert "chat: people were drawn after 0.50 s and given back within 1.25 s on 2 workers" in shown.stdout


def test_the_status_lists_all_releases_or_shows_one(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("")
    home = tmp_path / ".steward"
    with open_keys(find_deployment(home), 1.0):
        pass
    assert json.loads(inside("release", "status", "--json", "--home", str(home)).stdout) == []
    assert inside("release", "status", "--home", str(home)).stdout.split()[:2] == ["release", "route"]
    assert "unknown release 'chat'" in inside("release", "status", "chat", "--home", str(home)).stderr
