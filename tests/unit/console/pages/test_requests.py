"""The content of one request in the console: for whoever may read it, with a reason, recorded."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from steward.console.pages.requests import (
    MOST,
    PAGE,
    RequestReport,
    RequestStory,
    make_filter,
    parse_limit,
    view,
    view_story,
)
from steward.console.reader import Reader
from steward.console.time_range import TimeRange
from steward.core.captures import CapturedContent, CapturedExchange, CapturedText
from steward.core.errors import InputError
from steward.core.identity import Right, operator
from steward.core.records import (
    Admitted,
    Attempt,
    ExchangeFilter,
    ExchangeMatches,
    Feedback,
    LedgerRecord,
    LimitSpec,
    Settled,
)
from steward.core.subject_keys import ShreddedKey
from steward.core.traces import TraceStage
from steward.gateway.feedback import FeedbackContent
from steward.workflows import keys
from steward.workflows.audit import list_acts
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment

READER: frozenset[Right] = frozenset({"usage.read", "content.read"})
VIEWER: frozenset[Right] = frozenset({"usage.read"})
ASKED_BODY = msgspec.json.encode({"messages": [{"role": "user", "content": "why does my knee hurt?"}]})
ASKED, ANSWERED, COMMENT = f"my knee hurts {HOSTILE}", "rest it", f"thanks {HOSTILE}"


def fill(
    console: HomeConsole,
    name: str,
    *,
    captured: bool = True,
    expires_at: float = NOW + 9,
    body: bytes = ASKED.encode(),
    key: str = "k",
    at: float = NOW - 60,
) -> None:
    seals = make_content_keys(console.store, find_deployment(console.home).follow_roots())
    attempt = Attempt("m", 200, None, NOW - 60, 1.0)
    records: list[LedgerRecord] = [
        Admitted(
            request_id=name, at=at, key_id=key, tenant="default", project="p", endpoint="/v1/chat/completions",
            route="r", streamed=False, subject="s1",
        ),
        Settled(
            request_id=name, at=at + 1, outcome="ok", status=200, model="m", usd=0.5, input_tokens=1,
            output_tokens=2, ttft_s=0.1, duration_s=1.0, attempts=(attempt,),
        ),
    ]  # fmt: skip
    if captured:
        exchange = CapturedExchange(
            request_id=name, at=NOW - 60, key_id="k", tenant="default", project="p", endpoint="/v1/chat/completions",
            route="r", model="m", streamed=False, subject="s1", conversation=None, purpose="support", consent=None,
            form="as_sent", rules_version="v", expires_at=expires_at, complete=True, sealed=b"",
        )  # fmt: skip
        content = CapturedContent(body, (CapturedText(0, "content", ANSWERED),))
        records.append(msgspec.structs.replace(exchange, sealed=seals.seal(exchange, msgspec.msgpack.encode(content))))
    console.store.ledger.drain("w", name, 1, records)


def rate(console: HomeConsole, name: str, correction: str | None = None) -> None:
    seals = make_content_keys(console.store, find_deployment(console.home).follow_roots())
    record = Feedback(id="f1", at=NOW - 30, key_id="k", project="p", request_id=name, score=1.0, subject="s1")
    sealed = seals.seal(record, msgspec.msgpack.encode(FeedbackContent(COMMENT, correction)))
    console.store.ledger.drain("w", "feedback", 1, [msgspec.structs.replace(record, sealed=sealed)])


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path)


def open_words(console: HomeConsole, name: str, reason: str = "complaint 4711", **more: object) -> tuple[int, str]:
    status, _, page = console.post(f"/requests/{name}/content", {"reason": reason}, **more)
    return status, page


def test_whoever_may_read_it_opens_it_with_a_reason_that_is_recorded(console: HomeConsole) -> None:
    fill(console, "req_1")
    rate(console, "req_1")
    page = console.get("/requests/req_1", rights=READER)
    assert "Open the content" in page and "knee" not in page and "thanks" not in page
    status, page = open_words(console, "req_1", rights=READER)
    assert (
        status == 200
        and "my knee hurts &lt;script&gt;" in page
        and ANSWERED in page
        and "thanks &lt;script&gt;" in page
    )
    assert "<script>alert" not in page
    act = list_acts(console.home, 1)[0]
    assert (act.actor, act.action, act.subject) == ("person:anna", "content.read", "request:req_1")


def test_without_a_reason_nothing_is_opened_and_nothing_recorded(console: HomeConsole) -> None:
    fill(console, "req_1")
    status, page = open_words(console, "req_1", reason=" ", rights=READER)
    assert status == 400 and "reason: empty" in page and "knee" not in page and "Open the content" in page
    assert not (console.home / "audit").exists()


def test_whoever_may_not_read_it_is_told_what_it_needs(console: HomeConsole) -> None:
    fill(console, "req_1")
    page = read_text(console.get("/requests/req_1", rights=VIEWER))
    assert "needs the right content.read" in page and "Open the content" not in page
    assert open_words(console, "req_1", rights=VIEWER)[0] == 403
    status, page = open_words(console, "req_1", rights=READER, tenant="acme")
    assert status == 404 and "knee" not in page


@pytest.mark.parametrize(("captured", "expires_at"), [(False, 0.0), (True, NOW)])
def test_what_is_not_kept_is_said(console: HomeConsole, captured: bool, expires_at: float) -> None:
    fill(console, "req_1", captured=captured, expires_at=expires_at)
    assert "are not kept" in read_text(console.get("/requests/req_1", rights=READER))
    status, page = open_words(console, "req_1", rights=READER)
    assert status == 200 and "is not kept" in page and "knee" not in page


def test_what_was_erased_stays_closed(console: HomeConsole) -> None:
    fill(console, "req_1")
    key = console.store.subject_keys.find_subject("s1", tenant="default")
    assert key is not None
    console.store.subject_keys.destroy(
        [ShreddedKey(id="e1", tenant="default", subject="s1", key_id=key.id, at=NOW, actor="person:anna")]
    )
    status, page = open_words(console, "req_1", rights=READER)
    assert status == 200 and "was erased: its key is destroyed" in page


def ask_for(**asked: str) -> ExchangeFilter:
    names = ("key", "subject", "model", "route", "outcome", "kept")
    return make_filter({name: asked.get(name, "") for name in names}, TimeRange(since=1.0, until=2.0))


def test_what_is_left_open_is_not_filtered_by() -> None:
    assert ask_for() == ExchangeFilter(since=1.0, until=2.0)
    wanted = ask_for(key="k", subject="s", model="m", route="r", outcome="ok", kept="slow")
    assert (wanted.key_id, wanted.subject, wanted.model, wanted.route) == ("k", "s", "m", "r")
    assert (wanted.outcome, wanted.kept_for) == ("ok", "slow")
    with pytest.raises(InputError, match=r"outcome 'odd': expected one of"):
        ask_for(outcome="odd")
    with pytest.raises(InputError, match=r"kept 'odd': expected error, slow or flagged"):
        ask_for(kept="odd")


@pytest.mark.parametrize(("text", "limit"), [("", PAGE), ("1", 1), (str(MOST), MOST)])
def test_a_page_takes_so_many_rows(text: str, limit: int) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["0", str(MOST + 1), "-1", "1.5", "²", "1" * 13, " 1"])
def test_a_page_of_too_many_rows_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"expected 1 to {MOST}; narrow the time or the filters"):
        parse_limit(text)


def save_item(console: HomeConsole, answer: str, rights: frozenset[Right] = READER) -> tuple[int, dict[str, str], str]:
    return console.ask("POST", "/requests/req_1/item", {"answer": answer, "reason": "complaint 4711"}, rights=rights)


def test_a_request_is_saved_as_an_item_of_an_evaluation_set(console: HomeConsole) -> None:
    fill(console, "req_1", body=ASKED_BODY)
    rate(console, "req_1", "see a doctor")
    page = open_words(console, "req_1", rights=READER)[1]
    assert 'action="/requests/req_1/item"' in page and "\nsee a doctor</textarea>" in page  # what the person put right
    assert '<input type="hidden" name="reason" value="complaint 4711">' in page
    status, headers, text = save_item(console, " see a doctor ")
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="evaluation-item.jsonl"')
    assert text == '{"id":"req_1","question":"why does my knee hurt?","answer":"see a doctor"}\n'
    act = list_acts(console.home, 1)[0]
    assert (act.action, act.subject, act.reason) == ("content.read", "request:req_1", "complaint 4711")
    kept = [file for file in console.home.rglob("*") if file.is_file() and b"why does my knee" in file.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("answer", "captured", "body", "said"),
    [
        (" ", True, ASKED_BODY, "answer: empty"),
        ("a", False, ASKED_BODY, "is not kept, or holds no text"),
        ("a", True, b'{"messages": []}', "is not kept, or holds no text"),
        ("a", True, b"no JSON", "is not kept, or holds no text"),
    ],
)
def test_an_item_without_question_or_answer_is_refused(
    console: HomeConsole, answer: str, captured: bool, body: bytes, said: str
) -> None:
    fill(console, "req_1", captured=captured, body=body)
    status, _, page = save_item(console, answer)
    assert status == 400 and said in page


def test_an_item_is_for_whoever_may_read_the_words(console: HomeConsole) -> None:
    fill(console, "req_1", body=ASKED_BODY)
    assert save_item(console, "a", VIEWER)[0] == 403
    assert console.ask("POST", "/requests/req_2/item", {"answer": "a", "reason": "r"}, rights=READER)[0] == 404


def test_requests_of_a_key_are_found_by_its_name_and_its_id(console: HomeConsole) -> None:
    key = keys.create(console.home, "web", LimitSpec(), NOW - 99, actor=operator(0))
    fill(console, "req_1", captured=False, key=key.id)
    for name, is_found in (("web", True), (key.id, True), ("app", False)):
        assert ("/requests/req_1" in console.get(f"/requests?key={name}")) == is_found


def test_an_unknown_request_is_answered_with_the_three_newest(console: HomeConsole) -> None:
    for number in range(5):
        fill(console, f"req_{number}", captured=False, at=NOW - 60 + number)
    status, _, page = console.ask("GET", "/requests/req_x")
    assert status == 404 and [number for number in range(5) if f"req_{number}" in page] == [2, 3, 4]


def test_more_than_a_page_of_requests_leads_to_five_hundred() -> None:
    """The same page with 500 rows, which is all that one shows."""
    time = TimeRange(since=1.0, until=2.0, name="1h")

    def find_older(rows: int, limit: int) -> str:
        unread: tuple[Any, ...] = (None,) * rows  # how many there are is all that counts here
        matches = ExchangeMatches(rows=unread, looked_at=rows)
        older: str = view(RequestReport(matches=matches, key_names={}), {"model": "m"}, time, limit)["older"]
        return older

    assert find_older(100, 100) == "range=1h&model=m&limit=500"
    assert find_older(99, 100) == find_older(500, 500) == ""


def test_what_went_wrong_is_drawn_apart() -> None:
    stages = (TraceStage("route", 0.0, 0.1), TraceStage("model", 0.1, 0.5, "m: 503"), TraceStage("settle", 0.6, 0.1))
    drawn = {}
    for outcome in ("ok", "upstream_error"):
        details: Any = SimpleNamespace(outcome=outcome)
        trace: Any = SimpleNamespace(stages=stages)
        story = RequestStory(details=details, trace=trace, key_name="", captured=False)
        drawn[outcome] = re.findall(r'class="bar ([a-z])"', str(view_story(story, Reader())["waterfall"]))[:3]
    assert drawn == {"ok": ["a", "d", "a"], "upstream_error": ["a", "d", "d"]}
