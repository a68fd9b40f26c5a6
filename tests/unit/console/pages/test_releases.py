"""The page of releases: what each does, and what its guards found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from served_home import serve_home
from steward.console.pages.releases import list_commands, view_guard
from steward.core.records import Admitted, Settled
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.improvement.canary import GuardReport


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def record(**fields: Any) -> ReleaseRecord:
    usual: dict[str, Any] = {
        "id": "rel_1", "route": "assistant", "candidate": RouteVariant(kind="model", name="small"), "state": "canary",
        "weight": 0.25, "started_at": NOW - 7200, "started_by": "operator:0", "step_at": NOW - 3600,
        "route_digest": "d", "why": "still counting", "slow_s": 2.5,
    }  # fmt: skip
    return ReleaseRecord(**usual | fields)


def test_without_a_release_the_page_says_how_one_begins(console: HomeConsole) -> None:
    assert "steward release start ROUTE --candidate MODEL" in read_text(console.get("/releases"))
    status, _, page = console.ask("GET", "/releases/rel_none")
    assert status == 404 and "rel_none" in page


def test_releases_are_listed_searched_and_linked(console: HomeConsole) -> None:
    assert console.store.releases.start(record())
    assert console.store.releases.start(record(id="rel_2", route="other", tenant="another"))
    page = console.get("/releases")
    assert 'href="/releases/rel_1"' in page and "rel_2" in page  # the deployment's own people see every tenant's
    page = console.ask("GET", "/releases", tenant="another")[2]
    assert "rel_1" not in page and "rel_2" in page
    assert "No release matches." in read_text(console.get("/releases?words=elsewhere"))
    assert console.ask("GET", "/releases/rel_1", tenant="another")[0] == 404


def test_a_release_shows_the_evidence_of_its_guards(console: HomeConsole) -> None:
    assert console.store.releases.start(record(why=HOSTILE))
    rows: list[Admitted | Settled] = []
    for number in range(40):
        arm: Any = "candidate" if number % 4 == 0 else "champion"
        rows += [
            Admitted(request_id=f"r{number}", at=NOW - 3600 + number, key_id="k", project="p", endpoint="/v1",
                     streamed=False, route="assistant", subject=f"s{number}", release="rel_1", arm=arm,
                     arm_weight=0.25),
            Settled(request_id=f"r{number}", at=NOW - 3500 + 10 * number, outcome="ok", status=200, usd=0.01,
                    model="small" if arm == "candidate" else "big"),
        ]  # fmt: skip
    console.store.ledger.drain("w", "w-000000.seg", 1, rows)
    page = console.get("/releases/rel_1")
    text = read_text(page)
    assert "<script>alert" not in page and "assistant: model small" in text
    assert "errors inconclusive" in text and "guard hits inconclusive" in text and "up to 2 x" in text
    assert "40 requests." in text and "8 of 34 people had the candidate" in text  # after the warm-up
    assert "more than 2.50 s" in text and "steward release rollback rel_1" in text


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        ("canary", ["pause", "promote", "rollback"]),
        ("paused", ["resume", "promote", "rollback"]),
        ("promoted", ["rollback"]),
        ("rolled back", []),
    ],
)
def test_what_can_be_done_stands_there(state: str, verbs: list[str]) -> None:
    assert list_commands(record(state=state)) == [f"steward release {verb} rel_1" for verb in verbs]


def test_a_guard_in_words() -> None:
    units: Any = {"candidate": 12, "champion": 34}
    one = GuardReport(
        name="guard_hits", verdict="inconclusive", required=False, margin=1.5, estimate=1.25, interval=(0.5, None),
        e_value=None, units=units, why="only rolls back",
    )  # fmt: skip
    view = view_guard(one)
    assert (view.name, view.lamp, view.estimate, view.interval) == ("guard hits", "unknown", "1.25 x", "0.50 x to ?")
    assert (view.allowed, view.people) == ("up to 1.5 x", (12, 34))
    assert view.why == "only rolls back; never holds a promotion up"
    for changes in ({"required": True}, {"verdict": "regressed"}, {"required": True, "verdict": "regressed"}):
        assert view_guard(msgspec.structs.replace(one, **changes)).why == "only rolls back"
    unknown = view_guard(msgspec.structs.replace(one, estimate=None, interval=None))
    assert (unknown.estimate, unknown.interval) == ("–", "–")
