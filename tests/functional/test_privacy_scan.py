"""`steward privacy scan` and `test` as their users run them."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import inside


def test_rows_are_scanned_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": "a", "text": "mail bob@example.com", "note": "ask eve@example.com"},
        {"text": "nothing here"},
        {"id": 7, "messages": [{"role": "user", "content": "call +49 30 901820"}]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    result = inside("privacy", "scan", str(path), "--json")
    assert result.returncode == 1, result.stderr
    first, second, third = map(json.loads, result.stdout.splitlines())
    assert first == {
        "id": "a",
        "findings": [{"start": 5, "end": 20, "entity": "EMAIL_ADDRESS", "score": 0.99, "detector": "email"}],
        "unread": ["note"],
    }
    assert second == {"id": 2, "findings": []}
    assert (third["id"], third["findings"][0]["entity"]) == (7, "PHONE_NUMBER")
    assert third["findings"][0]["field"] == "messages[0].content"
    everything = inside("privacy", "scan", str(path), "--json", "--all-fields")
    assert len(json.loads(everything.stdout.splitlines()[0])["findings"]) == 2
    cards = inside("privacy", "scan", str(path), "--entities", "CREDIT_CARD")
    assert cards.returncode == 0 and "No personal data found." in cards.stdout


def test_the_summary_repeats_nobodys_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("bob@example.com")
    result = inside("privacy", "scan", str(tmp_path / "a.txt"))
    assert result.returncode == 1 and "EMAIL_ADDRESS" in result.stdout and "bob" not in result.stdout


def test_bad_input_exits_2_with_the_place(tmp_path: Path) -> None:
    broken = tmp_path / "b.jsonl"
    broken.write_text('{"text": "bob@example.com"}\n{"text"\n')
    result = inside("privacy", "scan", str(broken), "--json")
    assert result.returncode == 2 and "line 2 is not JSON" in result.stderr
    assert len(result.stdout.splitlines()) == 2
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in inside("privacy", "scan", str(tmp_path / "c.txt")).stderr
    assert "No such file" in inside("privacy", "scan", str(tmp_path / "none")).stderr
    assert "did you mean 'gdpr'" in inside("privacy", "scan", str(broken), "--profile", "gdrp").stderr


def test_a_text_is_tested(tmp_path: Path) -> None:
    result = inside("privacy", "test", "my SSN is 536-90-4399", "--json")
    assert result.returncode == 1 and json.loads(result.stdout)[0]["entity"] == "US_SSN"
    assert inside("privacy", "test", "nothing").returncode == 0
