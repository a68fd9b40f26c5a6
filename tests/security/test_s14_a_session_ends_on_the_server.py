"""S14: whatever changes who somebody is ends the sessions that were open, and nobody tries passwords without end.

Signing out, floods against `/login` and the counts behind proxies: `tests/security/test_sign_in.py`,
`tests/unit/console/test_sessions.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from conftest import ROOT
from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.sessions import ATTEMPTS_PER_MINUTE, Sessions
from steward.core.identity import operator
from steward.workflows import access, people
from steward.workflows.people import People
from steward.workflows.serve.deployment import find_deployment

ME = operator(7)
GOOD = "correct horse battery"


@pytest.fixture
def known(tmp_path: Path) -> Iterator[People]:
    access.add_person(tmp_path, "anna", 1.0, actor=ME, role="owner")
    people.set_password(tmp_path, "anna", GOOD, 2.0, actor=ME)
    store = find_deployment(tmp_path).open_store()
    yield People(find_deployment(tmp_path), store)
    store.close()


def enroll_and_remove(home: Path) -> None:
    people.enroll_code(home, "anna", 3.0, actor=ME)
    people.remove_code(home, "anna", 3.0, actor=ME)


def disable_and_enable(home: Path) -> None:
    access.disable_person(home, "anna", 3.0, actor=ME)
    access.disable_person(home, "anna", 3.0, actor=ME, enable=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda home: people.set_password(home, "anna", "another horse battery", 3.0, actor=ME),
        lambda home: people.enroll_code(home, "anna", 3.0, actor=ME),
        enroll_and_remove,
        lambda home: access.disable_person(home, "anna", 3.0, actor=ME),
        disable_and_enable,
    ],
)
def test_a_change_ends_every_session_also_where_the_clock_was_set_back(
    known: People, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """The sessions begin now, by this machine's clock, and the change is made in 1970."""
    tokens = [known.begin("person:anna", "default", "password").token for _ in range(2)]
    assert all(known.find(token) is not None for token in tokens)
    change(tmp_path)
    assert [known.find(token) for token in tokens] == [None, None]


def test_an_open_session_does_not_find_out_the_password(known: People, tmp_path: Path) -> None:
    app = build(snapshot, Sessions("token"), str, people=known, source=source(tmp_path))
    cookie = f"steward_console={known.begin('person:anna', 'default', 'password').token}"

    def change(old: str) -> int:
        form = urlencode({"old": old, "new": "another horse battery"}).encode()
        return ask(app, "POST", "/account", form, cookie=cookie)[0]

    assert [change(f"guess {number}") for number in range(ATTEMPTS_PER_MINUTE)] == [401] * ATTEMPTS_PER_MINUTE
    assert change(GOOD) == 429


def test_no_server_of_ours_believes_what_a_client_says_of_its_address() -> None:
    """uvicorn takes X-Forwarded-For from any process on this machine unless it is told not to."""
    calls = [
        (path.name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords})
        for path in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "uvicorn.Config"
    ]
    assert {name for name, _ in calls} >= {"console.py", "rating.py", "worker.py"}
    assert all(keywords.get("proxy_headers") == "False" for _, keywords in calls), calls
