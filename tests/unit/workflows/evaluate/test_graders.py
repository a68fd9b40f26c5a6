"""Which scorer a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.scorers.file import FileScorer
from steward.adapters.scorers.http import HttpScorer
from steward.adapters.scorers.lexicon import LexiconScorer
from steward.core.errors import UnknownName
from steward.workflows.evaluate.graders import make_text_scorer


def test_a_name_is_a_url_a_list_of_words_or_a_function(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("def score(texts):\n    return [0.0 for _ in texts]\n")
    (tmp_path / "words.txt").write_text("bad\n")
    for name, kind in (
        ("http://127.0.0.1:1", HttpScorer), ("https://127.0.0.1:1", HttpScorer), ("lexicon", LexiconScorer),
        ("lexicon:words.txt", LexiconScorer), ("s.py:score", FileScorer),
    ):  # fmt: skip
        assert isinstance(make_text_scorer(name, None, tmp_path), kind)


@pytest.mark.parametrize("name", ["", "other", "score", "file.py"])
def test_other_names_are_refused_with_what_is_expected(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownName, match="scorer"):
        make_text_scorer(name, None, tmp_path)
