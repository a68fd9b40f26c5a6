from pathlib import Path

import pytest
import trafilatura

from steward.adapters.page_extractor import TrafilaturaExtractor
from steward.workflows.curate import run_pipeline

STORY = "The bridge over the river was opened on Monday, and many people came to walk across it in the sun. "
PAGE = f"""<!DOCTYPE html><html><head><title>News</title></head><body>
<nav><a href="/">Home</a> <a href="/about">About us</a> <a href="/shop">Shop</a></nav>
<article><h1>The new bridge</h1><p>{STORY * 3}</p><p>{STORY * 2}</p></article>
<footer>Copyright, all rights reserved. <a href="/terms">Terms</a></footer></body></html>"""


def test_the_story_stays_and_the_frame_goes() -> None:
    text = TrafilaturaExtractor().extract(PAGE, False, False, True)
    assert text is not None and text.count("The bridge over the river") == 5
    assert "About us" not in text and "Terms" not in text
    assert TrafilaturaExtractor().extract("<html><body></body></html>", False, False, True) is None
    assert TrafilaturaExtractor().extract("<html>" + " " * 10_000_001, False, False, True) is None


def test_a_pipeline_reads_html_files(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "b.htm").write_text("<html><body></body></html>")
    (tmp_path / "pipeline.yaml").write_text(
        "input: {path: ['*.html', '*.htm']}\nstages: [{use: extract}]\noutput: {path: out, format: jsonl}\n"
    )
    summary = run_pipeline(tmp_path / "pipeline.yaml", workers=1)
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (2, 1, 1)
    assert "About us" not in (tmp_path / "out/rows/part-00000.jsonl").read_text()


def test_a_page_of_ten_million_characters_is_read_and_a_longer_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trafilatura, "extract", lambda page, **options: f"read {len(page)}")
    assert TrafilaturaExtractor().extract("x" * 10_000_000, False, False, True) == "read 10000000"
    assert TrafilaturaExtractor().extract("x" * 10_000_001, False, False, True) is None
