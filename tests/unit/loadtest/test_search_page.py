import msgspec

from steward.loadtest.search import FindMax, Trial
from steward.loadtest.search_page import render_find_max
from steward.loadtest.slo import TermResult


def test_the_page_marks_the_rate_that_was_chosen_and_shows_each_trial():
    term = TermResult(term="ttft_p95<250ms", answer="holds", share_over=0.01, low=0.0, high=0.03, allowed=0.05, n=150)
    over = msgspec.structs.replace(term, answer="fails", share_over=0.6, low=0.5, high=0.7)
    trials = (
        Trial(rate=80.0, answer="holds", why="1.0% over", answered_rate=79.0, terms=(term,), sent=150),
        Trial(rate=160.0, answer="fails", why="<behind>", answered_rate=99.0, terms=(over,), sent=320),
    )
    found = FindMax(slo=term.term, rate=80.0, fails_at=160.0, verdict="found", trials=trials)
    html = render_find_max(found)
    assert "80 requests per second meet ttft_p95&lt;250ms" in html and "&lt;behind&gt;" in html
    assert html.count("<circle") == 2 and html.count('class="mark"') == 2 and "60 %" in html
    assert "<circle" not in render_find_max(FindMax(slo="x", rate=None, fails_at=None, verdict="client_limit"))
