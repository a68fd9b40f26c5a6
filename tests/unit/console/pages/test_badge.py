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


def test_its_halves_are_as_wide_as_their_words() -> None:
    """ "failing" at 6.6 a letter and 16 around it: 62.2, so 62 beside the 62 of "steward"; each word in the middle."""
    picture = draw_badge("bad")
    root = ElementTree.fromstring(picture)
    assert (root.attrib["width"], root.attrib["height"]) == ("124", "20")
    texts = [item for item in root.iter() if item.tag.endswith("text")]
    assert [(item.attrib["x"], item.attrib["y"], item.text) for item in texts] == [
        ("31", "14", "steward"), ("93", "14", "failing")
    ]  # fmt: skip
    (path,) = [item for item in root.iter() if item.tag.endswith("path")]
    assert path.attrib["d"] == "M62 0h58a4 4 0 0 1 4 4v12a4 4 0 0 1 -4 4h-58z" and path.attrib["fill"] == "#b93d24"
