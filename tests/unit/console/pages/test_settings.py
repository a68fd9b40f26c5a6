from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console_home import HomeConsole, read_hidden, read_text
from served_home import SETTINGS, serve_home
from steward.core.identity import ALL_RIGHTS, operator
from steward.workflows import approvals
from steward.workflows.audit import list_acts

READS = frozenset({"console.read", "approvals.read"})


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def preview(console: HomeConsole, key: str, value: str) -> str:
    form = read_hidden(console.get(f"/settings/edit?key={key}"))
    status, _, page = console.post("/settings/preview", {**form, "value": value})
    assert status == 200, page
    return page


def read_file(console: HomeConsole) -> str:
    return (console.home.parent / "steward.yaml").read_text()


def test_every_value_stands_there_with_its_origin_and_meaning(console: HomeConsole) -> None:
    row = next(row for row in console.get("/settings").split("<tr>") if ">gateway.port<" in row)
    assert "<code>8080</code>" in row and "steward.yaml:3" in row and "port to listen on" in row
    assert ">console.port<" not in console.get("/settings?state=set&words=port")


def test_headers_of_models_are_hidden(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + "    # more\n") as home:
        file = tmp_path / "steward.yaml"
        file.write_text(file.read_text().replace('v1"}', 'v1", headers: {x-token: sesame}}', 1))
        page = HomeConsole(home).get("/settings?words=headers")
        assert "sesame" not in page and "hidden" in page


def test_a_change_is_compared_saved_served_and_recorded(console: HomeConsole) -> None:
    page = preview(console, "gateway.max_body_bytes", "1000000")
    assert "+  max_body_bytes: 1000000" in page and "gateway.max_body_bytes" in page
    assert console.post("/settings/apply", {**read_hidden(page), "reason": "smaller"})[:2] == (
        303,
        "/settings?done=applied",
    )
    assert "  port: 8080  # ours" in read_file(console) and "  max_body_bytes: 1000000\n" in read_file(console)
    assert console.read_plan().max_body_bytes == 1_000_000
    served, written = list_acts(console.home, 2)
    assert (written.action, written.actor, written.reason) == ("config.write", "person:anna", "smaller")
    assert (served.action, served.actor) == ("config.serve", "person:anna")
    assert "person:anna" in console.get("/settings/history")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("gateway.max_body_bytes", "-1", "max_body_bytes"),
        ("gateway.max_body_bytes", "[", "is not YAML"),
        ("privacy.profile", "gdprr", "profile"),
        ("privacy.unknown", "1", "there is none that can be changed here"),
    ],
)
def test_what_would_not_serve_is_refused_before_it_is_saved(
    console: HomeConsole, key: str, value: str, said: str
) -> None:
    base = read_hidden(console.get("/settings/edit"))["base"]
    status, _, page = console.post("/settings/preview", {"base": base, "key": key, "value": value})
    assert status == 400 and said in page and read_file(console) == SETTINGS


def test_what_needs_a_restart_is_said_and_cannot_be_saved(console: HomeConsole) -> None:
    page = preview(console, "gateway.port", "8090")
    assert "cannot change while steward serves" in page and 'action="/settings/apply"' not in page
    form = {"base": read_hidden(console.get("/settings/edit"))["base"], "text": SETTINGS.replace("8080", "8090")}
    status, _, page = console.post("/settings/apply", form)
    assert status == 400 and "needs a restart" in page and read_file(console) == SETTINGS


def test_of_two_who_change_the_same_setting_the_second_sees_the_first(console: HomeConsole) -> None:
    mine, theirs = (
        preview(console, "gateway.max_body_bytes", "20000"),
        preview(console, "gateway.max_body_bytes", "10000"),
    )
    assert console.post("/settings/apply", read_hidden(theirs))[0] == 303
    status, _, page = console.post("/settings/apply", read_hidden(mine))
    assert status == 409 and "the file was changed after you opened it" in page
    assert "by person:anna" in read_text(page)
    assert (
        "+  max_body_bytes: 10000" in page and "-  max_body_bytes: 10000" in page and "+  max_body_bytes: 20000" in page
    )
    assert "max_body_bytes: 10000" in read_file(console)
    assert console.post("/settings/apply", read_hidden(page))[0] == 303
    assert "max_body_bytes: 20000" in read_file(console)


def test_a_form_that_was_open_meanwhile_shows_the_other_change_before_it_is_compared(console: HomeConsole) -> None:
    form = {**read_hidden(console.get("/settings/edit?key=gateway.max_body_bytes")), "value": "30000"}
    theirs = preview(console, "gateway.max_body_bytes", "20000")
    assert console.post("/settings/apply", {**read_hidden(theirs), "reason": "first"})[0] == 303
    status, _, page = console.post("/settings/preview", form)
    assert status == 409 and "was changed after you opened it" in page
    assert "20000" in page and "30000" in page and "  max_body_bytes: 20000\n" in read_file(console)


def test_another_change_meanwhile_stays_when_single_values_meet(console: HomeConsole) -> None:
    first, second = (
        preview(console, "gateway.max_body_bytes", "10000"),
        preview(console, "limits.default.concurrent", "5"),
    )
    assert console.post("/settings/apply", read_hidden(first))[0] == 303
    page = console.post("/settings/apply", read_hidden(second))[2]
    assert console.post("/settings/apply", read_hidden(page))[0] == 303
    assert "max_body_bytes: 10000" in read_file(console) and "concurrent: 5" in read_file(console)


def test_an_earlier_version_serves_again(console: HomeConsole) -> None:
    page = preview(console, "gateway.max_body_bytes", "10000")
    console.post("/settings/apply", read_hidden(page))
    assert "-  max_body_bytes: 10000" in console.get("/settings/diff?from=2&to=1")
    assert console.post("/settings/rollback", {"version": "1"})[:2] == (303, "/settings/history?done=rolled-back")
    assert read_file(console) == SETTINGS
    assert console.post("/settings/rollback", {"version": "77"})[0] == 400


def test_a_change_that_needs_approval_waits_and_is_served_by_whoever_may(tmp_path: Path) -> None:
    policy = "approval_policy: {settings: [{kind: approvals, count: 1}]}\n"
    with serve_home(tmp_path, SETTINGS + policy) as home:
        console = HomeConsole(home)
        page = preview(console, "gateway.max_body_bytes", "10000")
        assert "asks for approval" in page
        status, _, page = console.post("/settings/apply", read_hidden(page))
        assert status == 400 and "needs approval" in page and "max_body" not in read_file(console)
        name = approvals.list_approvals(home, 1.0, 9, actor=operator(0))[0].request.id
        path = f"/settings/approvals/{name}"
        assert name in console.get("/settings/approvals") and "+  max_body_bytes: 10000" in console.get(path)
        status, _, page = console.post(f"{path}/decide", {"verdict": "approve"})
        assert status == 400 and "is an author" in page
        assert console.post(f"{path}/apply", {})[0] == 400
        approvals.decide(home, name, "approve", console.source.clock(), actor=operator(0))
        assert console.post(f"{path}/apply", {})[:2] == (303, "/settings?done=applied")
        assert "max_body_bytes: 10000" in read_file(console)


def test_nothing_is_saved_that_cannot_be_recorded(console: HomeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    page = preview(console, "gateway.max_body_bytes", "10000")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steward.security.audit.log.write_file", full)
    status, _, page = console.post("/settings/apply", read_hidden(page))
    assert status == 503 and "Nothing was changed" in page and read_file(console) == SETTINGS


def test_a_reader_may_look_and_no_more(console: HomeConsole) -> None:
    assert "/settings/edit" not in console.get("/settings", rights=READS)
    for method, path in (
        ("GET", "/settings/edit"), ("GET", "/settings/diff?from=1&to=1"), ("POST", "/settings/preview"),
        ("POST", "/settings/apply"), ("POST", "/settings/rollback"),
    ):  # fmt: skip
        assert console.ask(method, path, {}, rights=READS)[0] == 403
    assert console.ask("GET", "/settings", rights=ALL_RIGHTS, tenant="acme")[0] == 403


def test_values_that_nobody_set_are_listed_too_and_left_out_where_that_is_asked_for(console: HomeConsole) -> None:
    every, chosen = console.get("/settings?words=gateway"), console.get("/settings?words=gateway&state=set")
    assert ">gateway.queue<" in every and ">gateway.queue<" not in chosen
    assert ">gateway.port<" in every and ">gateway.port<" in chosen


def test_a_value_that_is_hidden_is_not_edited_here(tmp_path: Path) -> None:
    text = SETTINGS.replace('v1"}', 'v1", headers: {x-token: sesame}}', 1)
    with serve_home(tmp_path, text) as home:
        console = HomeConsole(home)
        status, _, page = console.ask("GET", "/settings/edit?key=models.0.headers.x-token")
    assert status == 400 and "there is none that can be changed here" in page and "sesame" not in page


def test_a_file_that_was_changed_and_is_not_served_yet_is_told(console: HomeConsole) -> None:
    words = "says something else than what serves"
    assert words not in console.get("/settings")
    file = console.home.parent / "steward.yaml"
    file.write_text(file.read_text() + "# a note\n")
    assert words in console.get("/settings?again=1")


def test_a_form_of_a_file_that_nobody_knows_shows_ones_own_change_alone(console: HomeConsole) -> None:
    form = {"base": "sha256:0", "key": "gateway.max_body_bytes", "value": "30000"}
    status, _, page = console.post("/settings/preview", form)
    assert status == 409 and "+  max_body_bytes: 30000" in page and "is not in the history any more" in page
