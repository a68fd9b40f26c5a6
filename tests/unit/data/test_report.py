import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

import data_stages
from steward.core.errors import InputError
from steward.data.pipeline import Pipeline
from steward.data.profile import LengthStatistics
from steward.data.read_plan import InputFile
from steward.data.report import Reason, _format_example_value, redact, render_report, write_report
from steward.data.summary import StageCount, Summary
from steward.workflows.stage_parts import find_personal_data


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    rows = [{"text": f"mail <bob{n}@example.com>" if n % 2 else "the same text twice"} for n in range(40)]
    rows += [{"text": "short"}] * 3
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Pipeline([data_stages.Short(least=30), data_stages.Same()]).run(str(tmp_path / "in.jsonl"), str(tmp_path / "out"))
    return tmp_path


def test_the_page_is_whole_small_and_fetches_nothing(finished: Path) -> None:
    page = write_report(finished / "out", find_personal_data).read_text()
    closed = re.sub(r"<meta ([^>]*)>", r"<meta \1/>", page.removeprefix("<!doctype html>"))
    root = ET.fromstring(closed)
    assert len(page) < 500_000 and "0 of 43 rows are kept" in "".join(root.itertext())
    assert not [name for mark in root.iter() for name in mark.attrib if name in ("src", "href", "onclick")]
    assert "script" not in {mark.tag for mark in root.iter()}


def test_examples_are_shown_redacted_or_not_at_all(finished: Path) -> None:
    page = write_report(finished / "out", find_personal_data).read_text()
    assert "mail &lt;[email]&gt;" in page and "example.com" not in page
    assert "mail" not in write_report(finished / "out").read_text()  # nobody to redact
    (finished / "in.jsonl").write_text('{"text": "other rows now"}\n')
    assert "[email]" not in write_report(finished / "out", find_personal_data).read_text()


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        write_report(tmp_path)


STAGES = (
    StageCount("one", rows_in=100, rows_out=60, dropped=30, merged=20, added=10),
    StageCount("two", rows_in=60, rows_out=55, failed=5, changed=7),
    StageCount("three", rows_in=55, rows_out=55),
)


def page(
    reasons: int = 0, clusters: dict[str, int] | None = None, inputs: int = 1, size: int = 1_500_000, **changes: object
) -> str:
    fields: dict[str, object] = {
        "rows_in": 100, "rows_out": 55, "added": 10, "dropped": 30, "merged": 20, "failed": 5, "blank_lines": 0,
        "empty_files": 0, "stages": STAGES, "digest": "0123456789abcdef" * 4, "parts": (), "key": "k", "kind": "text",
        "inputs": tuple(InputFile(f"file-{number}", size, "d") for number in range(inputs)),
        "before": LengthStatistics(), "after": LengthStatistics(), "seconds": 1.0, "version": "1",
    }  # fmt: skip
    known = {name: value for name, value in (fields | changes).items() if name in Summary.__struct_fields__}
    listed = [Reason("s", "drop", f"rule-{number}", 1, "", [("x", f"id-{number}")]) for number in range(reasons)]
    return render_report(Summary(**known), listed, Counter(clusters or {}), {})  # type: ignore[arg-type]


def cells(text: str, start: str, end: str = "</table>") -> list[str]:
    """The cells of the table that follows `start`."""
    return re.findall(r"<td[^>]*>([^<]*)<", text.partition(start)[2].partition(end)[0])


def test_the_figures_on_top() -> None:
    shown = page()
    for words in ("55 of 100 rows are kept", "55.0% of those that came in", "1 file, 1.5 MB", "20 as duplicates",
                  '<p class="value">50</p>', "10 rows were added", "digest 0123456789abcdef ·"):  # fmt: skip
        assert words in shown
    assert "2 files, 3.0 MB" in page(inputs=2)


@pytest.mark.parametrize(
    ("size", "words"),
    [(999, "999 B"), (1_000, "1.0 KB"), (999_949, "999.9 KB"), (1_000_000, "1.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_have_decimal_units(size: int, words: str) -> None:
    assert f"1 file, {words}" in page(size=size)


def test_a_stages_bar_is_what_it_kept_and_what_left() -> None:
    shown = page()
    bars = re.findall(r'width="([\d.]+)" height="6"/><rect class="bar d" x="([\d.]+)" width="([\d.]+)"', shown)
    assert bars == [("60.00", "60.00", "50.00"), ("55.00", "55.00", "5.00"), ("55.00", "55.00", "0.00")]
    assert "30 dropped, 20 merged, 10 added" in shown and "5 failed, 7 changed" in shown and "nothing to do" in shown


def test_long_lists_end_with_how_many_there_are_more() -> None:
    assert "rarer ones" not in page(reasons=60) and "and 1 rarer ones" in page(reasons=61)
    assert "rule-59" in page(reasons=61) and "rule-60" not in page(reasons=61)
    assert " more</p>" not in page(inputs=50) and "and 1 more</p>" in page(inputs=51)
    assert "file-49" in page(inputs=51) and "file-50" not in page(inputs=51)
    assert "Every row passed unchanged." in page()


def test_an_example_tells_its_value_and_what_was_allowed() -> None:
    row = {"value": 3.5, "threshold": None, "value_text": None, "threshold_text": "y" * 60}
    assert _format_example_value(row) == f"3.5, allowed {'y' * 48}"
    assert _format_example_value({**row, "threshold": 10.0}) == "3.5, allowed 10"
    assert _format_example_value({**row, "threshold_text": None}) == "3.5"


def test_clusters_are_counted_with_the_row_that_stays() -> None:
    shown = page(clusters={"a": 1, "b": 1, "c": 2, "d": 8, "e": 9, "f": 50, "g": 3})
    sizes = dict(re.findall(r"<tr[^>]*><th>([^<]+)</th><td>(\d+)</td>", shown.partition("Duplicate clusters")[2]))
    assert sizes == {"2": "2", "3": "1", "4": "1", "9": "1", "10 or more": "2"}
    largest = cells(shown, "<h2>The largest</h2>")
    assert largest[:4] == ["f", "51", "e", "10"] and len(largest) == 12  # six of them
    assert "Duplicate clusters" not in page()


def test_lengths_are_told_by_their_powers_of_two() -> None:
    before = LengthStatistics(rows=9, buckets={0: 1, 3: 5, 11: 2, 21: 1})
    after = LengthStatistics(rows=4, buckets={3: 2, 11: 2})
    chart = page(before=before, after=after).partition("Length in characters")[2].partition("</figure>")[0]
    rows = re.findall(r"<tr[^>]*><th>([^<]+)</th><td>([^<]*)</td><td>([^<]*)</td></tr>", chart)
    assert rows == [("0", "0", "1"), ("4", "2", "3"), ("1k", "2", "0"), ("1M", "0", "1")]


def test_tokens_are_told_where_a_stage_counted_them() -> None:
    shown = page(after=LengthStatistics(rows=3, tokens=2_050, token_buckets={2: 2, 11: 1}))
    assert "Tokens out" in shown and '<p class="value">2,050</p>' in shown and "683 a row" in shown
    chart = shown.partition("Length in tokens")[2].partition("</figure>")[0]
    rows = re.findall(r"<tr[^>]*><th>([^<]+)</th><td>([^<]*)</td></tr>", chart)
    assert (rows[0], rows[-1]) == (("2", "2"), ("1k", "1")) and "Tokens" not in page()


def test_languages_are_shares_of_each_sample() -> None:
    before = LengthStatistics(languages={"en": 3, "de": 1})
    after = LengthStatistics(languages={"en": 1})
    chart = page(before=before, after=after).partition("Languages of a sample")[2].partition("</figure>")[0]
    rows = re.findall(r"<tr[^>]*><th>([^<]+)</th><td>([^<]*)</td><td>([^<]*)</td></tr>", chart)
    assert rows == [("en", "75 %", "100 %"), ("de", "25 %", "0 %")]


@pytest.mark.parametrize(("length", "shown"), [(220, "x" * 220), (221, "x" * 220 + "…")])
def test_an_example_has_220_characters(length: int, shown: str) -> None:
    assert redact("x" * length, lambda text: []) == shown


def test_personal_data_is_replaced_by_its_kind() -> None:
    assert redact("a  bc\nd ef", lambda text: [(2, 4, "email"), (7, 9, "phone")]) == "a [email] d [phone]"
