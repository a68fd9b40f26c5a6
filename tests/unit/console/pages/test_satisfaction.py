from __future__ import annotations

from pathlib import Path
from typing import Any

from console_home import NOW, HomeConsole, read_text
from served_home import serve_home
from steward.console.pages.satisfaction import say_interval, say_rate
from steward.console.reader import Reader
from steward.core.features import RequestFeatures
from steward.core.rates import Rate, rate_of
from steward.core.records import Admitted, Feedback, Settled


def ask(name: str, topic: str | None, score: float | None, tenant: str = "default") -> list[Any]:
    admitted = Admitted(
        request_id=name, at=NOW - 90, key_id="k", project="p", endpoint="/v1/chat/completions", route="r",
        streamed=False, subject=f"of-{name}", tenant=tenant,
    )  # fmt: skip
    features = RequestFeatures(topic=topic, language="de")
    settled = Settled(request_id=name, at=NOW - 80, outcome="ok", status=200, model="m", features=features)
    if score is None:
        return [admitted, settled]
    said = Feedback(id=f"f-{name}", at=NOW - 60, key_id="k", project="p", request_id=name, score=score, tenant=tenant)
    return [admitted, settled, said]


def test_ratings_of_sampled_requests_stand_there_by_topic_and_language(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        records = [
            *ask("a", "t01", 1.0),
            *ask("b", "t01", -1.0),
            *ask("c", "t02", None),
            *ask("d", "t31", 1.0, "other"),
        ]
        console.store.ledger.drain("w", "s", 1, records)
        page = console.get("/satisfaction")
        other = console.get("/satisfaction", tenant="other")
        file = console.get("/satisfaction.csv", tenant="other")
    of_topics = read_text(page.split("By topic, of sampled requests")[-1].split("</table>")[0])
    assert "t01 2 2 2 50.0%" in of_topics.replace(" %", "%") and "t02 1 0 0 –" in of_topics and "t31 1 1 1" in of_topics
    assert "de 4 3 3" in read_text(page) and "monitoring.drift.every_s" in page
    assert "t31" in other and "t01" not in other
    assert "topic,t31,1,1,1,1.0" in file and "t01" not in file


def test_topics_that_nobody_rated_are_left_out(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        console.store.ledger.drain("w", "s", 1, ask("a", "t01", None))
        assert "By topic" not in console.get("/satisfaction")


def test_a_rate_has_its_interval_and_one_of_nothing_is_a_dash() -> None:
    """Wilson's interval of 9 of 10 is 59.6 % to 98.2 %."""
    rate, reader = rate_of(9, 10), Reader()
    assert (say_interval(rate, reader), say_interval(Rate(), reader)) == ("59.6 % to 98.2 %", "")
    assert (say_rate(rate, reader), say_rate(Rate(), reader)) == ("90.0 % (59.6 % to 98.2 %)", "–")


def test_answers_that_nobody_rated_draw_no_chart_and_single_ratings_are_for_whoever_may_see_them(
    tmp_path: Path,
) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        console.store.ledger.drain("w", "s", 1, ask("a", None, None))
        unrated = console.get("/satisfaction")
        console.store.ledger.drain("w", "s", 2, ask("b", None, 1.0))
        rated = console.get("/satisfaction?range=24h")
        hidden = console.get("/satisfaction", rights=frozenset({"usage.read"}))
    assert (
        "No rating counts in this time." in unrated and "Answers rated" in unrated and "None in this time." in unrated
    )
    assert "No rating counts" not in rated and "<svg" in rated and 'href="/requests/b"' in rated
    assert "Single ratings are shown to whoever has the right" in hidden and 'href="/requests/b"' not in hidden


def test_days_count_from_the_first_to_the_last_that_is_shown(tmp_path: Path) -> None:
    """It is 2027-01-15; ratings are counted by the day."""
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        console.store.ledger.drain("w", "s", 1, ask("a", None, 1.0))
        before = console.get("/satisfaction?from=2027-01-13&to=2027-01-15")
        begun = console.get("/satisfaction?from=2027-01-13&to=2027-01-15T00:01")
    assert "Answers rated" not in before and "None in this time." in before
    assert "Answers rated" in begun and "of 1 people" in begun and "None in this time." in begun
