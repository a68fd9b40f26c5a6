"""The first steps say what is done by what there is."""

from pathlib import Path

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.pages.first_run import DISMISSED, list_steps
from steward.console.sessions import COOKIE, Sessions
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.settings import Settings
from steward.workflows import keys

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


def test_the_page_leads_until_it_is_dismissed(tmp_path: Path) -> None:
    keys.create(tmp_path, "shop", LimitSpec(), 1.0, actor=operator(0))
    pages = source(tmp_path)
    app = build(snapshot, Sessions("t"), str, source=pages)
    assert "2 of 8 done" in ask(app, "GET", "/first-run", cookie=COOKIES)[2]
    assert "/first-run" in ask(app, "GET", "/", cookie=COOKIES)[2].partition("<main")[2]
    assert ask(app, "POST", "/first-run/dismiss", cookie=COOKIES)[0] == 303 and (tmp_path / DISMISSED).exists()
    assert "/first-run" not in ask(app, "GET", "/?again=1", cookie=COOKIES)[2].partition("<main")[2]
    pages.store.close()
