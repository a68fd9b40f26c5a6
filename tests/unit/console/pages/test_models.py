from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from console_home import HomeConsole, read_hidden, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.models import read_weights
from steward.core.errors import InputError
from steward.core.files import write_file
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.gateway.route_records import BreakerReport, Route, Target
from steward.workflows.serve.worker_reports import breakers_file, read_breakers


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def test_models_and_routes_stand_there_with_their_shares(console: HomeConsole) -> None:
    page = read_text(console.get("/models"))
    assert "big 95.0 %" in page and "small 5.0 %" in page and "not known yet" in page
    assert "None yet. steward release start ROUTE" in page


def test_releases_stand_there_with_their_state(console: HomeConsole) -> None:
    record = ReleaseRecord(
        id="rel_1", route="assistant", candidate=RouteVariant(kind="model", name="<b>small</b>"), state="canary",
        weight=0.25, started_at=100.0, started_by="operator:0", step_at=200.0, route_digest="d", why="still counting",
    )  # fmt: skip
    assert console.store.releases.start(record)
    page = console.get("/models")
    assert "<b>small" not in page
    text = read_text(page)
    assert "assistant model &lt;b&gt;small&lt;/b&gt; canary 25 %" in text and "still counting operator:0" in text


def test_a_weight_is_changed_and_undone(console: HomeConsole) -> None:
    form = {"route": "assistant", "weight:big": "80", "weight:small": "20"}
    status, _, page = console.post("/models/weights", form)
    assert status == 200 and "weight: 80}, {model: small, weight: 20}" in page
    assert console.post("/settings/apply", read_hidden(page))[:2] == (303, "/models?done=applied")
    assert [target.weight for target in console.read_plan().routes[0].targets] == [80, 20]
    page = console.get("/models?done=applied")
    assert "The new weights serve." in page and "Undo: serve version 1 again" in page
    assert console.post("/settings/rollback", {"version": "1", "back": "/models"})[1] == "/models?done=undone"
    assert [target.weight for target in console.read_plan().routes[0].targets] == [95, 5]
    assert (console.home.parent / "steward.yaml").read_text() == SETTINGS


@pytest.mark.parametrize("weight", ["", "0", "-1", "x", "nan", "inf", "1e9"])
def test_a_weight_that_is_none_is_refused(console: HomeConsole, weight: str) -> None:
    form = {"route": "assistant", "weight:big": weight, "weight:small": "5"}
    status, _, page = console.post("/models/weights", form)
    assert status == 400 and "expected a number above 0" in page


def test_unknown_routes_and_equal_weights_are_refused(console: HomeConsole) -> None:
    assert console.post("/models/weights", {"route": "none"})[0] == 404
    form = {"route": "assistant", "weight:big": "95", "weight:small": "5"}
    assert "nothing to change" in console.post("/models/weights", form)[2]


def test_only_what_differs_is_edited() -> None:
    route = Route("r", (Target("a", 1.0), Target("b", 2.0)))
    edits = read_weights({"weight:a": "1", "weight:b": "2.5"}, route)
    assert [(edit.key, edit.value) for edit in edits] == [("routes[r].targets[b].weight", "2.5")]
    with pytest.raises(InputError):
        read_weights({"weight:a": "1"}, route)


def test_a_breaker_is_what_the_workers_say(console: HomeConsole) -> None:
    run = console.home / "run"
    for pid, state in ((1, "open"), (2, "closed")):
        report = {"big": BreakerReport(state, 10, 4)}
        write_file(breakers_file(run, pid), msgspec.json.encode(report))
    write_file(breakers_file(run, 3), b"{")
    assert read_breakers(run, [1, 2, 3, 4]) == {"big": [BreakerReport("open", 10, 4), BreakerReport("closed", 10, 4)]}
    write_file(
        run / "state.json", b'{"pid": 1, "processes": [{"name": "worker-0", "pid": 1}, {"name": "worker-1", "pid": 2}]}'
    )
    page = read_text(console.get("/models"))
    assert "open in 1 of 2 workers" in page and "8 of 20" in page


def test_a_reader_changes_no_weight(console: HomeConsole) -> None:
    assert "Compare before saving" not in console.get("/models", rights=frozenset({"console.read"}))
    assert console.post("/models/weights", {}, rights=frozenset({"console.read"}))[0] == 403


def test_a_route_says_who_else_answers_and_how_one_is_chosen(tmp_path: Path) -> None:
    more = (
        "    fallback: [small]\n    shadow: {model: small, sample: 0.1}\n    choice: least_loaded\n"
        "    prompt: {system: Be brief.}\n  - {name: plain, targets: [{model: small, weight: 3}]}\n"
    )
    with serve_home(tmp_path, SETTINGS + more) as home:
        console = HomeConsole(home)
        page = read_text(console.get("/models"))
        version = console.read_plan().prompts["assistant"].version
        found = read_text(console.get("/models?words=plain"))
    assistant, plain = page.partition(" plain ")[0], page.partition(" plain ")[2]
    words = "Then small; copies of 10% go to small; chosen by least loaded, not by weight. 0 running, 0 waiting. Prompt"
    assert f"{words} {version}." in assistant
    assert "small 100.0 %" in plain and "hen small" not in plain and "chosen by" not in plain and "Prompt" not in plain
    assert "plain" in found and "least loaded" not in found and "No model matches." in found


def test_a_breaker_that_tries_again_is_not_closed(console: HomeConsole) -> None:
    run = console.home / "run"
    write_file(breakers_file(run, 1), msgspec.json.encode({"big": BreakerReport("half_open", 1, 0)}))
    write_file(run / "state.json", b'{"pid": 1, "processes": [{"name": "worker-0", "pid": 1}]}')
    page = console.get("/models")
    assert "trying again" in page and "trying again in" not in page
