"""The page of appeals: what waits, words with a reason, and a person's decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from console_home import NOW, HomeConsole, read_text
from served_home import serve_home
from steward.core.appeals import find_deadline
from steward.core.records import Admitted, Feedback, Settled
from steward.gateway.feedback import FeedbackContent
from steward.workflows.audit import list_acts
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment

DAY_S = 86400.0
WORDS = "It called me a liar."


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def appeal(console: HomeConsole, name: str = "appeal_1", days_ago: int = 1, tenant: str = "default") -> None:
    """One of a request that was asked and answered a day before."""
    at, request = NOW - days_ago * DAY_S, f"req_{name}"
    said = Feedback(
        id=name, at=at, key_id="k", tenant=tenant, project="default", request_id=request, score=0.0,
        label=find_deadline(at, 30), subject=f"subject of {name}", kind="appeal",
    )  # fmt: skip
    keys = make_content_keys(console.store, find_deployment(console.home).follow_roots())
    sealed = keys.seal(said, msgspec.msgpack.encode(FeedbackContent(WORDS, None)))
    request_row = Admitted(
        request_id=request, at=at - DAY_S, key_id="k", tenant=tenant, project="default", route="m",
        endpoint="/v1/chat/completions", streamed=False,
    )  # fmt: skip
    settled = Settled(request_id=request, at=at - DAY_S + 1, outcome="ok", status=200, model="m")
    rows: list[Admitted | Settled | Feedback] = [request_row, settled, msgspec.structs.replace(said, sealed=sealed)]
    console.store.ledger.drain("w", name, 1, rows)


def test_an_empty_page_says_where_appeals_come_from(console: HomeConsole) -> None:
    page = read_text(console.get("/appeals"))
    assert "No appeal waits" in page and "POST /v1/appeals" in page and "Nothing was decided yet" in page


def test_what_is_late_stands_on_top(console: HomeConsole) -> None:
    appeal(console)
    assert "1 appeal waits for a person" in read_text(console.get("/appeals"))
    appeal(console, "appeal_2", days_ago=40)
    page = read_text(console.get("/appeals"))
    assert "1 appeal is late" in page and page.index("appeal_2") < page.index("appeal_1")


def test_words_open_with_a_reason_that_is_recorded(console: HomeConsole) -> None:
    appeal(console)
    assert WORDS not in console.get("/appeals")
    status, _, page = console.post("/appeals/words", {"appeal": "appeal_1", "reason": " "})
    assert status == 400 and "reason" in page and WORDS not in page
    status, _, page = console.post("/appeals/words", {"appeal": "appeal_1", "reason": "ticket 7"})
    assert status == 200 and WORDS in page
    (act,) = list_acts(console.home, 1)
    assert (act.action, act.subject, act.actor) == ("content.read", "appeal:appeal_1", "person:anna")


def test_a_person_decides_and_the_decision_stays(console: HomeConsole) -> None:
    appeal(console)
    form = {
        "appeal": "appeal_1",
        "outcome": "partly",
        "words": "The tone was wrong, the fact was right.",
        "remedy": "told",
    }
    assert console.post("/appeals/decide", form)[:2] == (303, "/appeals?done=decided")
    page = read_text(console.get("/appeals?done=decided"))
    assert "No appeal waits" in page and "partly by person:anna" in page and "Tell the person" in page
    status, _, page = console.post("/appeals/decide", form)
    assert status == 400 and "a decision stays" in page
    opened = console.post("/appeals/words", {"appeal": "appeal_1", "reason": "check"})[2]
    assert "The tone was wrong" in opened and "told" in opened


@pytest.mark.parametrize(
    ("form", "code", "said"),
    [
        ({"appeal": "appeal_none", "outcome": "upheld", "words": "long enough"}, 404, "unknown appeal"),
        ({"appeal": "appeal_1", "outcome": "perhaps", "words": "long enough"}, 400, "expected one of"),
        ({"appeal": "appeal_1", "outcome": "upheld", "words": "too short"}, 400, "a sentence"),
    ],
)
def test_a_wrong_decision_is_shown_again(console: HomeConsole, form: dict[str, str], code: int, said: str) -> None:
    appeal(console)
    status, _, page = console.post("/appeals/decide", form)
    assert status == code and said in page and f'value="{form["words"]}"' in page


def test_rights_and_tenants_are_kept_apart(console: HomeConsole) -> None:
    appeal(console)
    assert "appeal_1" not in console.get("/appeals", tenant="acme")
    form = {"appeal": "appeal_1", "outcome": "upheld", "words": "long enough", "reason": "why"}
    for path in ("/appeals/decide", "/appeals/words"):
        assert console.post(path, form, tenant="acme")[0] == 404
        assert console.post(path, form, rights=frozenset({"feedback.read"}))[0] == 403
    assert "Read one" not in console.get("/appeals", rights=frozenset({"feedback.read"}))
