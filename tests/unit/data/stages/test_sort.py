from typing import Any

import pyarrow as pa
import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data.stages.sort import Sort


def test_rows_pass_unchanged() -> None:
    rows = batch("b", "a", n=[2, 1])
    assert Sort(by="n").apply(rows).batch is rows and Sort(by=("n", "text")).list_columns() == ("n", "text")


def test_a_column_must_be_there_and_have_an_order() -> None:
    with pytest.raises(InputError, match="unknown column 'm'"):
        Sort(by="m").apply(batch("a", n=[1]))
    with pytest.raises(InputError, match="unknown column 'row'"):
        Sort(by="row").apply(batch("a"))
    with pytest.raises(InputError, match="expected a column"):
        Sort(by=())


@pytest.mark.parametrize("values", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array(["a"]).dictionary_encode()])
def test_lists_and_objects_have_none(values: Any) -> None:
    with pytest.raises(InputError, match="which have no order"):
        Sort(by="n").apply(batch("a", n=values))


def test_mixed_values_have_none() -> None:
    field = pa.field("n", pa.large_string(), metadata={"json": "1"})
    with pytest.raises(InputError, match="which have no order"):
        Sort(by="n").apply(batch("a").append_column(field, pa.array(["1"], pa.large_string())))
