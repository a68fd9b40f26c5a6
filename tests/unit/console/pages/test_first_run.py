"""The first steps say what is done by what there is."""

from pathlib import Path
from typing import Any

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.pages.first_run import DISMISSED, list_steps
from steward.console.sessions import COOKIE, Sessions
from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.core.records import Admitted, LimitSpec, Settled
from steward.settings import Settings
from steward.workflows import keys

CHANNEL = {"name": "ops", "kind": "webhook", "url": "https://hooks.example/x"}
COOKIES = f"{COOKIE}={Sessions('t').issue(4e9)}"


def test_steps_are_done_when_what_they_make_is_there(tmp_path: Path) -> None:
    keys.create(tmp_path, "shop", LimitSpec(usd_per_month=5.0), 1.0, actor=operator(0))
    settings = Settings.model_validate({"slos": [{"name": "a", "kind": "availability", "objective": 0.9}]})
    pages = source(tmp_path, settings=settings)
    done = {step.title: step.done for step in list_steps(pages)}
    assert [title for title, state in done.items() if state] == [
        "Connect a model", "Make a key", "Set a budget", "State an objective",
    ]  # fmt: skip
    assert len(done) == 8
    pages.store.close()


def list_done(home: Path, **settings: Any) -> set[str]:
    pages = source(home, settings=Settings.model_validate(settings))
    done = {step.title for step in list_steps(pages) if step.done}
    pages.store.close()
    return done - {"Connect a model"}


def test_each_step_is_done_by_its_own_thing_alone(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    assert list_done(tmp_path) == set()
    key = keys.create(tmp_path, "shop", LimitSpec(usd_per_day=5.0), 1.0, actor=operator(0))
    assert list_done(tmp_path) == {"Make a key", "Set a budget"}
    keys.revoke(tmp_path, key.id, 2.0, actor=operator(0))
    assert list_done(tmp_path) == set()
    assert list_done(tmp_path, monitoring={"channels": [CHANNEL]}) == {"Be told of alerts"}
    for check, title in (("evaluation.gate", "Evaluate the model"), ("backup.made", "Make a backup")):
        pages.store.evidence.add(prove(check), tenant="acme")
        assert title in list_done(tmp_path)
    admitted = Admitted(
        request_id="r", at=1.0, key_id="k", tenant="acme", project="p", endpoint="/v1/x", route="r", streamed=False
    )
    settled = Settled(request_id="r", at=2.0, outcome="ok", status=200, model="m")
    pages.store.ledger.drain("w", "s", 1, [admitted, settled])
    assert list_done(tmp_path) == {"Evaluate the model", "Make a backup", "Send the first request"}
    pages.store.close()


def prove(check: str) -> Evidence:
    return Evidence(
        id=check, check=check, subject="s", subject_digest="sha256:0", verdict="pass", value="", expected="", source="",
        produced_at=1.0, valid_until=None, command="steward", signer="operator:1",
    )  # fmt: skip


def test_every_step_has_a_command_and_a_page_to_go_to(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    steps = {step.title: (step.command.split()[1], step.page) for step in list_steps(pages)}
    assert steps == {
        "Connect a model": ("init", "/status"),
        "Make a key": ("keys", "/access"),
        "Send the first request": ("chat", "/requests"),
        "Set a budget": ("keys", "/usage"),
        "Be told of alerts": ("alerts", "/alerts"),
        "State an objective": ("slo", "/alerts"),
        "Evaluate the model": ("eval", "/evaluations"),
        "Make a backup": ("backup", "/readiness"),
    }
    page = ask(build(snapshot, Sessions("t"), str, source=pages), "GET", "/first-run", cookie=COOKIES)[2]
    assert all(f'class="button" href="{path}"' in page for _, path in steps.values())
    pages.store.close()


def test_the_page_leads_until_it_is_dismissed(tmp_path: Path) -> None:
    keys.create(tmp_path, "shop", LimitSpec(), 1.0, actor=operator(0))
    pages = source(tmp_path)
    app = build(snapshot, Sessions("t"), str, source=pages)
    assert "2 of 8 done" in ask(app, "GET", "/first-run", cookie=COOKIES)[2]
    assert "/first-run" in ask(app, "GET", "/", cookie=COOKIES)[2].partition("<main")[2]
    assert ask(app, "POST", "/first-run/dismiss", cookie=COOKIES)[0] == 303 and (tmp_path / DISMISSED).exists()
    assert "/first-run" not in ask(app, "GET", "/?again=1", cookie=COOKIES)[2].partition("<main")[2]
    pages.store.close()
