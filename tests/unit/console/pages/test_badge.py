"""The badge: for the token of metrics, and of nobody else."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.pages.badge import STATES, draw_badge
from steward.console.sessions import Sessions


@pytest.mark.parametrize("state", STATES)
def test_a_badge_is_a_picture_that_says_its_words(state: str) -> None:
    words = next(words for name, (words, _) in STATES.items() if name == state)
    picture = ElementTree.fromstring(draw_badge(next(name for name in STATES if name == state)))
    assert picture.attrib["aria-label"] == f"steward: {words}"


def test_it_opens_to_the_metrics_token(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    app = build(snapshot, Sessions("t"), str, source=pages)
    token = Sessions("t").metrics_token()
    status, headers, text = ask(app, "GET", "/badge.svg", authorization=f"Bearer {token}")
    assert status == 200 and headers["content-type"] == "image/svg+xml" and "not judged" in text
    assert ask(app, "GET", "/badge.svg")[0] == 401
    pages.store.close()
