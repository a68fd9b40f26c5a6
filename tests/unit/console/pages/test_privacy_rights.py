from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from steward.console.pages import privacy_rights
from steward.console.pages.privacy_rights import RightsPages
from steward.core.errors import InputError
from steward.core.identity import Principal, Right
from steward.workflows.audit import list_acts
from steward.workflows.rights.breaches import open_breach
from steward.workflows.rights.holds import list_holds

ANNA = Principal(kind="person", id="anna")
READS: frozenset[Right] = frozenset({"privacy.read", "usage.read"})


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path)


def hold(console: HomeConsole, why: str = "matter 9", **more: str) -> None:
    assert console.post("/privacy/rights/hold", {"why": why, **more})[:2] == (303, "/privacy/rights?done=held")


def test_an_empty_home_says_what_will_stand_there(console: HomeConsole) -> None:
    page = console.get("/privacy/rights")
    assert "steward privacy holds add" in page and "steward privacy breach open" in page


def test_a_hold_is_added_released_and_recorded(console: HomeConsole) -> None:
    hold(console)
    page = read_text(console.get("/privacy/rights"))
    assert "everybody matter 9" in page
    name = list_holds(console.home, NOW, actor=ANNA)[0].id
    assert console.post("/privacy/rights/erase", {"name": "ada", "again": "ada"})[0] == 400  # it is held
    assert console.post("/privacy/rights/release", {"hold": name})[:2] == (303, "/privacy/rights?done=released")
    assert list_holds(console.home, NOW, actor=ANNA) == []
    assert [act.action for act in list_acts(console.home, 2)] == ["privacy.release", "privacy.hold"]
    assert console.post("/privacy/rights/release", {"hold": name})[0] == 404
    assert console.post("/privacy/rights/hold", {"why": " "})[0] == 400


def test_what_is_kept_of_a_person_is_an_archive(console: HomeConsole) -> None:
    archive = RightsPages(console.source).make_archive(ANNA, {"name": "ada"})
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert sorted(packed.namelist()) == ["data.json", "index.html"]
    act = list_acts(console.home, 1)[0]
    assert (act.action, act.actor) == ("privacy.export", "person:anna")
    assert console.ask("POST", "/privacy/rights/export", {"name": " "})[0] == 400


def test_a_person_is_erased_where_the_name_is_typed_twice(console: HomeConsole) -> None:
    status, _, page = console.post("/privacy/rights/erase", {"name": "ada", "again": "eda"})
    assert status == 400 and "nothing was erased" in page
    status, _, page = console.post("/privacy/rights/erase", {"name": "ada", "again": "ada"})
    assert status == 200 and "The person is erased" in page
    assert list_acts(console.home, 1)[0].action == "privacy.erase"


def test_breaches_show_their_clock(console: HomeConsole) -> None:
    open_breach(console.home, HOSTILE, NOW - 9, NOW - 1, NOW, actor=ANNA)
    page = console.get("/privacy/rights")
    assert "<script>alert" not in page and "open &lt;script&gt;" in read_text(page)
    assert "18 Jan 2027, 08:00" in page  # 72 hours later


def test_a_reader_changes_nothing_and_another_tenant_sees_nothing(console: HomeConsole) -> None:
    hold(console)
    main = console.get("/privacy/rights", rights=READS).partition("<main")[2]
    assert 'method="post"' not in main and "matter 9" in main
    assert console.post("/privacy/rights/export", {"name": "ada"}, rights=READS)[0] == 403
    assert "matter 9" not in console.get("/privacy/rights", tenant="acme")
    assert console.ask("GET", "/privacy/rights", rights=frozenset({"usage.read"}))[0] == 403


def test_what_was_done_for_people_stands_there_for_whoever_may_read_the_log(console: HomeConsole) -> None:
    assert "None yet. Each request to see, correct or erase" in read_text(console.get("/privacy/rights"))
    RightsPages(console.source).make_archive(msgspec.structs.replace(ANNA, reason=HOSTILE), {"name": "ada"})
    hold(console)  # is no request of a person
    page = read_text(console.get("/privacy/rights"))
    assert "person:anna &lt;script&gt;alert(1)" in page and page.count("given what is kept") == 1
    page = read_text(console.get("/privacy/rights", rights=READS))
    assert "whoever has the right audit.read" in page and "given what is kept" not in page
    assert "given what is kept" not in read_text(console.get("/privacy/rights", tenant="acme"))


def test_what_is_done_for_a_person_is_in_the_project_that_is_named_or_in_all(
    console: HomeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str | None, str | None]] = []

    def note(home: Path, name: str | None, *_: object, project: str | None, **more: object) -> None:
        done.append((name, project))
        raise InputError("noted")

    for name in ("export_person", "erase_person", "add_hold"):
        monkeypatch.setattr(privacy_rights, name, note)
    for project in ("shop", " "):
        for path in ("export", "erase", "hold"):
            form = {"name": "ada", "again": "ada", "project": project, "why": "matter 9"}
            assert console.post(f"/privacy/rights/{path}", form)[0] == 400
    console.post("/privacy/rights/hold", {"name": " ", "why": "matter 9"})
    assert done == [("ada", "shop")] * 3 + [("ada", None)] * 3 + [(None, None)]  # a hold without a name is of all
