"""The pages that watch: over a filled store, over an empty one, for another tenant, and with bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.sessions import COOKIE, Sessions
from steward.console.shared_answers import SharedAnswers
from steward.console.source import ConsoleSource
from steward.core.alerts import Alert, RuleState
from steward.core.identity import operator
from steward.core.records import Admitted, Attempt, Feedback, LimitSpec, Settled
from steward.core.traces import TracePolicy
from steward.workflows import keys

NOW = 1_795_917_600.0  # 2026-11-29T02:00Z
HOSTILE = '"><img src=x onerror=alert(1)>'
COOKIES = f"{COOKIE}={Sessions('t').issue(4e9)}"
PAGES = ("/", "/traffic", "/requests", "/satisfaction", "/alerts", "/drift", "/search?q=x", "/status", "/display")


def exchange(number: int, at: float, outcome: Any = "ok", tenant: str = "default", model: str = "m") -> list[Any]:
    name = f"req_{int(at * 1000):011x}{number:013x}"
    attempt = Attempt(model, 200, None, at, 1.0)
    admitted = Admitted(
        request_id=name, at=at, key_id="k1", tenant=tenant, project="p", endpoint="/v1/chat/completions", route="r",
        streamed=True, subject="s1",
    )  # fmt: skip
    settled = Settled(
        request_id=name, at=at + 1, outcome=outcome, status=200 if outcome == "ok" else 503, model=model, usd=0.5,
        input_tokens=10, output_tokens=20, ttft_s=0.25, duration_s=1.0, attempts=(attempt,), guards=("pii=allow",),
    )  # fmt: skip
    return [admitted, settled]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleSource]:
    pages = source(tmp_path_factory.mktemp("home"), NOW)
    pages.store.migrate()
    pages.store.ledger.keep_traces(TracePolicy(sample=0.0, slow_s=99))
    records = [one for number in range(40) for one in exchange(number, NOW - 3600 + number)]
    records += exchange(90, NOW - 1800, "upstream_error", model=HOSTILE)
    records += exchange(91, NOW - 1800, tenant="acme", model="secret-of-acme")
    rated = records[0].request_id
    records.append(Feedback(id="f1", at=NOW - 60, key_id="k1", project="p", request_id=rated, score=1.0, label=HOSTILE))
    pages.store.ledger.drain("w", "s", 1, records)
    alert = Alert(
        id="alert-1", rule="failures-up", severity="page", summary=HOSTILE, evidence="9 of 10", scopes=("all",),
        started_at=NOW - 600,
    )  # fmt: skip
    pages.store.alerts.put(alert)
    yield pages
    pages.store.close()


def test_a_rule_that_cannot_judge_says_why_on_the_page(filled: ConsoleSource) -> None:
    unsure = RuleState(rule="satisfaction-down", state="cannot tell", why="12 ratings in 7 days", at=NOW)
    filled.store.alerts.put_rule_states([unsure], ["satisfaction-down"])
    text = look(filled, "/alerts?n=1")[1]
    assert "cannot tell: 12 ratings in 7 days" in text and "has not looked yet" in text


def look(pages: ConsoleSource, path: str, **more: str) -> tuple[int, str]:
    app = build(snapshot, Sessions("t"), str, source=pages)
    status, headers, text = ask(app, "GET", path, cookie=COOKIES, **more)
    return status, headers.get("location", "") or text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_says_nothing_that_others_wrote_as_html(filled: ConsoleSource, path: str) -> None:
    status, text = look(filled, path)
    assert status == 200 and "</html>" in text and "<img" not in text
    assert " style=" not in text and "<style" not in text and " onclick" not in text
    assert (text.count("<h1") == 1 and 'aria-current="page"' in text) or path.startswith(("/search", "/display"))


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_store_says_what_will_appear_and_how(tmp_path: Path, path: str) -> None:
    pages = source(tmp_path, NOW)
    pages.store.migrate()
    status, text = look(pages, path)
    assert status == 200
    if path in ("/", "/traffic", "/requests", "/satisfaction", "/drift", "/alerts"):
        assert "<code>" in text.partition("<main")[2]
    pages.store.close()


@pytest.mark.parametrize("path", ["/", "/traffic", "/requests", "/satisfaction", "/alerts", "/drift"])
def test_a_store_that_is_gone_is_said_with_what_was_known(tmp_path: Path, path: str) -> None:
    now = [NOW]
    answers = SharedAnswers(lambda: now[0])
    pages = msgspec.structs.replace(source(tmp_path), clock=lambda: now[0], answers=answers)
    app = build(snapshot, Sessions("t"), str, source=pages)
    status, _, text = ask(app, "GET", path, cookie=COOKIES)
    assert status == 503 and "store does not answer" in text
    pages.store.migrate()
    assert ask(app, "GET", path, cookie=COOKIES)[0] == 200
    pages.store.close()
    (tmp_path / "steward.db").unlink()
    now[0] += 120
    status, _, text = ask(app, "GET", path, cookie=COOKIES)
    assert status == 200 and "You see what was known 29 Nov 2026" in text


def test_a_request_is_found_by_what_is_known_of_it(filled: ConsoleSource) -> None:
    assert look(filled, "/requests?range=24h&key=k1")[1].count("/requests/req_") == 42
    assert look(filled, "/requests?kept=error")[1].count("/requests/req_") == 1
    assert look(filled, "/requests?outcome=upstream_error")[1].count("/requests/req_") == 1
    assert look(filled, "/requests?subject=s1&limit=5")[1].count("/requests/req_") == 5
    assert look(filled, "/requests?model=nothing")[1].count("/requests/req_") == 0
    assert look(filled, "/requests?id=a/b") == (303, "/requests/a%2Fb")


def test_one_request_shows_its_way_its_price_and_its_rating(filled: ConsoleSource) -> None:
    name = f"req_{int((NOW - 3600) * 1000):011x}{0:013x}"
    status, text = look(filled, f"/requests/{name}")
    assert status == 200 and "pii=allow" in text and "$0.50" in text and "attempt" in text
    assert "&#34;&gt;&lt;img" in text  # the label of its rating
    status, text = look(filled, "/requests/req_that_is_not_there")
    assert status == 404 and "unknown request" in text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/requests?limit=1000000", "expected 1 to 500"),
        ("/requests?limit=-1", "expected 1 to 500"),
        ("/requests?outcome=nice", "expected one of ok"),
        ("/requests?kept=me", "expected error, slow or flagged"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(filled: ConsoleSource, path: str, words: str) -> None:
    status, text = look(filled, path)
    assert status == 400 and words in text


def test_a_time_that_has_not_come_is_said(filled: ConsoleSource) -> None:
    status, text = look(filled, "/traffic?from=2030-01-01&to=2030-01-02")
    assert status == 200 and "1 Jan 2030, 00:00 has not come yet" in text


def test_a_click_keeps_the_time_and_adds_a_filter(filled: ConsoleSource) -> None:
    text = look(filled, "/traffic?range=6h&compare=week")[1]
    assert "/traffic?range=6h&amp;compare=week&amp;model=m" in text
    narrowed = look(filled, "/traffic?range=6h&model=m")[1]
    assert "model: m" in narrowed and ">40<" in narrowed


def test_an_alert_shows_its_evidence_beside_the_threshold(filled: ConsoleSource) -> None:
    status, text = look(filled, "/alerts/alert-1")
    assert status == 200 and "Share of requests that failed" in text and "9 of 10" in text
    assert look(filled, "/alerts/none")[0] == 404


def test_what_was_done_is_seen_at_once(tmp_path: Path) -> None:
    keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=operator(0))
    pages = source(tmp_path)
    plan = tmp_path / "run" / "plan.json"
    plan.parent.mkdir(exist_ok=True)
    plan.write_bytes(msgspec.json.encode(pages.plan()))
    app = build(snapshot, Sessions("t"), str, source=pages)
    assert "Silences" not in ask(app, "GET", "/alerts", cookie=COOKIES)[2]
    assert ask(app, "POST", "/silences", b"rule=failures-up&for=1h", cookie=COOKIES)[0] == 303
    assert "failures-up until" in ask(app, "GET", "/alerts", cookie=COOKIES)[2]
    status, _, text = ask(app, "POST", "/silences", b"rule=no-such-rule&for=1h", cookie=COOKIES)
    assert status == 404 and "unknown rule" in text
    assert ask(app, "POST", "/silences", b"rule=failures-up&for=long", cookie=COOKIES)[0] == 400
    assert ask(app, "POST", "/alerts/none/acknowledge", cookie=COOKIES)[0] == 404
    pages.store.close()


def test_the_headline_is_of_the_alert_and_a_wall_has_no_menu(filled: ConsoleSource) -> None:
    assert 'class="headline bad"' in look(filled, "/")[1]
    assert 'class="framed wall"' in look(filled, "/?wall=1")[1]
