"""`--csv`: the rows of the record that `--json` prints."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

import msgspec
import pytest

from steward.cli.common import JsonOption, show_json, show_json_line
from steward.cli.csv_rows import format_record, print_as_csv, select_rows, write_csv
from steward.cli.lazy import CsvRows, expand_option_sets
from steward.core.errors import Contradiction, InputError


class Row(msgspec.Struct):
    name: str
    requests: int
    usd: float | None = None
    units: dict[str, float] = {}


class Record(msgspec.Struct):
    total: int
    by: tuple[Row, ...] = ()
    more: tuple[Row, ...] = ()


RECORD = Record(1, (Row("a, b", 1234567, 0.5), Row('say "hi"\nthere', 2, None, {"images": 1.0})), (Row("c", 3),))


def test_the_rows_have_the_names_of_json_and_plain_numbers() -> None:
    with print_as_csv(["by", "more"]):
        text = format_record(RECORD)
    assert text == (
        'name,requests,usd,units\n"a, b",1234567,0.5,{}\n"say ""hi""\nthere",2,,"{""images"":1.0}"\nc,3,,{}\n'
    )
    assert text is not None and [row["name"] for row in csv.DictReader(io.StringIO(text))][1] == 'say "hi"\nthere'


def test_without_csv_nothing_is_formatted() -> None:
    assert format_record(RECORD) is None


@pytest.mark.parametrize(
    ("record", "fields", "rows"),
    [
        ([{"a": 1}, 5], (), [{"a": 1}, {"value": 5}]),
        ([], (), []),
        ({"x": {"a": {"n": 1}, "b": {"n": 2}}}, ("x",), [{"name": "a", "n": 1}, {"name": "b", "n": 2}]),
        ({"x": {"n": 1, "deep": {}}}, ("x",), [{"n": 1, "deep": {}}]),
        ({"x": None, "y": [{"a": 1}]}, ("x", "y", "z"), [{"a": 1}]),
        ({"x": {}}, ("x",), []),
    ],
)
def test_rows_of_a_record(record: Any, fields: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    assert select_rows(record, fields) == rows


def test_a_record_without_its_rows_is_a_mistake_of_ours() -> None:
    with pytest.raises(Contradiction, match="none of the fields by, more, only total"):
        select_rows({"total": 1}, ("by", "more"))


def test_the_head_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with print_as_csv([]):
        for row in RECORD.by[:1] + RECORD.more:
            show_json_line(row)
        show_json([RECORD.more[0]])
    assert capsys.readouterr().out.splitlines() == [
        "name,requests,usd,units",
        '"a, b",1234567,0.5,{}',
        "c,3,,{}",
        "c,3,,{}",
    ]
    show_json_line(RECORD.more[0])
    assert capsys.readouterr().out == '{"name":"c","requests":3,"usd":null,"units":{}}\n'


def test_true_and_lists_are_json_and_no_rows_are_no_lines() -> None:
    assert write_csv(["a", "b", "c"], [{"a": True, "b": [1, "x"]}]) == 'a,b,c\ntrue,"[1,""x""]",\n'
    with print_as_csv([]):
        assert format_record([]) == ""


def test_the_option_is_there_where_json_says_what_the_rows_are(capsys: pytest.CaptureFixture[str]) -> None:
    def show(json: Annotated[JsonOption, CsvRows("by")] = False) -> None:
        """Show it."""
        assert json
        show_json(RECORD)

    def plain(json: JsonOption = False) -> None:
        """Show it."""

    call = expand_option_sets(show)
    call(json=False, csv=True)
    assert capsys.readouterr().out.startswith("name,requests,usd,units\n")
    call(json=True, csv=False)
    assert capsys.readouterr().out.startswith("{")
    with pytest.raises(InputError, match="--csv and --json: give one of them"):
        call(json=True, csv=True)
    with pytest.raises(TypeError, match="csv"):
        expand_option_sets(plain)(json=True, csv=True)
