"""Every scorer keeps the contract: a number from 0 to 1 for a text, `Unavailable` where it cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.scorers.file import FileScorer
from steward.adapters.scorers.http import HttpScorer
from steward.adapters.scorers.lexicon import LexiconScorer
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.extend import TextScorer

CODE = """
def rude(text):
    if "down" in text:
        raise RuntimeError("no model")
    return 0.9 if "rude" in text else 0.1
"""


@pytest.fixture(params=["lexicon", "file", "http", "moderations"])
def scorer(request: pytest.FixtureRequest, tmp_path: Path, scripted: str) -> TextScorer:
    (tmp_path / "list.txt").write_text("rude\n")
    (tmp_path / "score.py").write_text(CODE)
    paths = {"http": "/score", "moderations": "/v1/moderations"}
    if request.param in paths:
        return HttpScorer(scripted + paths[request.param])
    return (
        LexiconScorer(str(tmp_path / "list.txt"))
        if request.param == "lexicon"
        else FileScorer(f"{tmp_path}/score.py:rude")
    )


def test_worse_texts_score_higher(scorer: TextScorer) -> None:
    rude, kind = scorer.score("a rude word"), scorer.score("a word")
    assert 0 <= kind < 0.5 < rude <= 1 and scorer.score("") == kind == scorer.score("Grüße 🙂 " * 500)


def test_a_failure_is_no_number(scorer: TextScorer) -> None:
    if isinstance(scorer, LexiconScorer):  # a list of words cannot be down
        assert scorer.score("it is down") == 0
        return
    with pytest.raises(Unavailable, match=r"503|RuntimeError: no model"):
        scorer.score("it is down")


def test_what_does_not_exist_is_named_at_once(tmp_path: Path) -> None:
    for make, said in ((lambda: LexiconScorer("gone.txt"), "gone.txt"), (lambda: FileScorer("gone.py:f"), "gone.py")):
        with pytest.raises((InputError, UnknownName), match=said):
            make()
    with pytest.raises(InputError, match="begins with http"):
        HttpScorer("localhost:80/score")
    with pytest.raises(Unavailable, match="could not be reached"):
        HttpScorer("http://127.0.0.1:9/score").score("x")
