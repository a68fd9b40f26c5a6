import pytest

from steward.console.csv_file import answer_csv, neutralise_cell, write_table


@pytest.mark.parametrize("value", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_formula_becomes_text(value: str) -> None:
    assert neutralise_cell(value) == f"'{value}"


@pytest.mark.parametrize("value", ["a=1", "", " =1", -1, 2.5, None])
def test_all_else_stays(value: object) -> None:
    assert neutralise_cell(value) == value


def test_a_table_is_a_file_to_save() -> None:
    assert write_table(["a", "b"], [['"', None]]) == 'a,b\r\n"""",\r\n'
    answer = answer_csv("x.csv", ["a"], [[1]])
    assert answer.body == b"a\r\n1\r\n" and answer.headers["content-disposition"] == 'attachment; filename="x.csv"'
