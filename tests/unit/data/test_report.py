import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import data_stages
from steward.core.errors import InputError
from steward.data.pipeline import Pipeline
from steward.data.report import write_report
from steward.workflows.curate import find_personal_data


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
