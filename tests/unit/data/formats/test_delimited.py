import csv
from pathlib import Path
from typing import Any

from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
from steward.data.stage import Entry


def everything(source: Source) -> tuple[list[dict[str, Any]], list[Entry]]:
    found = plan_reading(source)
    reads = [item for shard in found.shards for item in read_shard(shard, found.shape, source)]
    return [row for item in reads for row in item.batch.to_pylist()], [e for item in reads for e in item.failed]


def test_csv_with_quoted_line_ends_counts_lines_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('text,label\n"two\nlines",x\nbad\n"caf\xe9",y\nend,z\n'.encode("latin-1"))
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [(row["text"], row["label"]) for row in rows] == [("two\nlines", "x"), ("end", "z")]
    assert [(entry.rule, entry.id) for entry in failed] == [("wrong_columns", "a.csv:4"), ("invalid_utf8", "a.csv:5")]


def test_d07_a_quote_that_is_never_closed_costs_one_line(tmp_path: Path) -> None:
    lines = [f"text {n},{n}" for n in range(499)]
    lines[10] = '"text 10,10'
    (tmp_path / "a.csv").write_text("text,n\n" + "\n".join(lines) + "\n")
    rows, [entry] = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert len(rows) == 498 and rows[10]["text"] == "text 11" and rows[10]["id"] == "a.csv:13"
    assert (entry.rule, entry.where) == ("malformed_csv", "a.csv:12") and "ran on to line 500" in str(entry.value)


def test_d07_also_where_a_later_quote_closes_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,n\n"open,1\nb,2\n"c, d",3\ne,4\n')
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [row["text"] for row in rows] == ["b", "c, d", "e"] and [entry.where for entry in failed] == ["a.csv:2"]


def test_delimiters_and_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text;n\ncafé;1\n".encode("utf-16"))
    (tmp_path / "b.tsv").write_text("text\tn\nx, y\t2\n")
    rows, _ = everything(Source(path=str(tmp_path / "a.csv"), delimiter=";", encoding="utf-16"))
    assert [(row["text"], row["n"]) for row in rows] == [("café", "1")]
    rows, _ = everything(Source(path=str(tmp_path / "b.tsv")))
    assert [(row["text"], row["n"], row["id"]) for row in rows] == [("x, y", "2", "b.tsv:2")]


def test_a_record_may_have_as_many_bytes_as_a_line_after_its_first(tmp_path: Path) -> None:
    """0.0001 MiB are 104 bytes: `","b` and `"` are 5 of them."""
    for length, read in ((49, 2), (50, 1)):
        (tmp_path / "a.csv").write_text(f'text,n\nc,1\n"a\n{"x" * 50}","b\n{"y" * length}"\n')
        rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip", max_line_mb=0.0001))
        assert len(rows) == read
        assert read == 2 or "a record of more than 104 bytes" in str(failed[0].value)


def test_only_a_record_of_several_lines_ran_on(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,n\n"a"b,1\nc,2\n')
    rows, [entry] = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [row["text"] for row in rows] == ["c"] and "ran on" not in str(entry.value)
    (tmp_path / "a.csv").write_text('text,n\n"open,1\nb,2\n')
    rows, [entry] = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [row["text"] for row in rows] == ["b"] and "it ran on to line 3" in str(entry.value)


def test_a_record_of_two_lines_with_other_columns_costs_its_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,n\n"a\nb",1,2\nc,3\n')
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [row["text"] for row in rows] == ["c"]
    assert [(entry.rule, entry.where) for entry in failed] == [
        ("wrong_columns", "a.csv:2"), ("wrong_columns", "a.csv:3")
    ]  # fmt: skip


def test_a_line_that_is_too_long_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text,n\n{'x' * 105},1\nc,3\n")
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip", max_line_mb=0.0001))
    assert [row["text"] for row in rows] == ["c"] and [entry.where for entry in failed] == ["a.csv:2"]


def test_a_low_limit_of_ours_is_not_everybodys(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("text,b\n1,2\n")
    everything(Source(path=str(tmp_path / "a.csv"), max_line_mb=0.0001))
    assert csv.field_size_limit() == before
