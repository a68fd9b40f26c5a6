import pytest

from data_batches import batch
from steward.core.errors import InputError, UnknownName
from steward.data.stages.columns import Columns

ROWS = batch("aa", "b", n=[1, 2], kind=["x", None])


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        (Columns(), ["row", "id", "text", "n", "kind"]),
        (Columns(keep=("n",)), ["row", "id", "text", "n"]),
        (Columns(keep=()), ["row", "id", "text"]),
        (Columns(drop=("n",)), ["row", "id", "text", "kind"]),
        (Columns(rename={"n": "number"}), ["row", "id", "text", "number", "kind"]),
        (Columns(drop=("n",), rename={"kind": "n"}), ["row", "id", "text", "n"]),
        (Columns(derive={"size": "len(text)"}), ["row", "id", "text", "n", "kind", "size"]),
    ],
)
def test_columns_are_chosen_renamed_and_derived(stage: Columns, names: list[str]) -> None:
    assert stage.apply(ROWS).batch.schema.names == names


def test_derived_columns_have_the_type_that_is_named_else_are_texts() -> None:
    stage = Columns(
        derive={"size": "len(text)", "half": "n / 2", "big": "n > 1", "all": "[n, kind]", "same": "kind"},
        types={"size": "int64", "half": "double", "big": "bool"},
    )
    rows = stage.apply(ROWS).batch.to_pylist()
    assert [tuple(row[name] for name in ("size", "half", "big", "all", "same")) for row in rows] == [
        (2, 0.5, False, '[1,"x"]', "x"), (1, 1.0, True, "[2,null]", None)
    ]  # fmt: skip


def test_a_row_that_cannot_be_derived_fails_and_the_others_stay() -> None:
    result = Columns(derive={"n2": "int(text)"}, types={"n2": "int64"}).apply(batch("7", "x", "9"))
    assert result.batch["n2"].to_pylist() == [7, 9]
    assert [(entry.action, entry.rule, entry.value) for entry in result.entries] == [("fail", "derive", "ValueError")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"keep": ("n",), "drop": ("kind",)}, "one of them"),
        ({"keep": ("m",)}, "unknown column"),
        ({"drop": ("text",)}, "unknown column"),
        ({"rename": {"n": "text"}}, "twice"),
        ({"derive": {"n": "1"}}, "there already"),
        ({"derive": {"m": "1"}, "types": {"m": "int"}}, "unknown type"),
        ({"types": {"m": "int64"}}, "unknown derived column"),
        ({"derive": {"m": "text"}, "types": {"m": "int64"}}, "is no int64 in each row"),
    ],
)
def test_what_cannot_be_is_said(settings, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        Columns(**settings).apply(ROWS)


def test_a_misspelt_column_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'kind'"):
        Columns(drop=("kin",)).apply(ROWS)


def test_an_error_repeats_the_beginning_of_a_long_value() -> None:
    """Arrow: "Could not convert 'xxx…' with type str: tried to convert to int64"; its first words are 19 characters."""
    with pytest.raises(InputError, match="is no int64 in each row") as caught:
        Columns(derive={"n2": "text"}, types={"n2": "int64"}).apply(batch("x" * 1000))
    assert str(caught.value).count("x") == 200 - 19 - len("…")
